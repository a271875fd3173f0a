//! Prints the public API of a crate, one item a line, from the JSON that rustdoc made of the crate.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let json = std::env::args_os().nth(1).ok_or("usage: public-api-listing FILE.json")?;
    // Blanket implementations belong to other crates. Derives and auto traits stay: users rely on `Clone` and `Send`.
    let api = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?;
    print!("{api}");
    Ok(())
}
