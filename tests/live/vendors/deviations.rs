//! Reads `tests/live/DEVIATIONS.md`, the list of verdicts that differ from ours, with the reasons.

use std::cell::Cell;

const TEXT: &str = include_str!("../DEVIATIONS.md");

/// The headings of the list.
const VENDORS: [&str; 6] = ["Auth0", "Amazon Cognito", "Clerk", "Clerk claims", "DPoP", "Entra ID"];

/// A token about which the verdicts differ.
#[derive(Debug)]
pub(crate) struct Deviation {
    pub(crate) case: String,
    /// The vendor accepts the token.
    pub(crate) accepted: bool,
    /// `accepted` or the reason of our refusal.
    pub(crate) ours: String,
}

/// The deviations of one vendor: the table below its heading.
#[derive(Debug)]
pub(crate) struct Deviations(Vec<Row>);

/// A row: a name, in which `*` matches any text, the vendor's verdict, our verdict, and the reason.
#[derive(Debug)]
struct Row {
    pattern: String,
    accepted: bool,
    ours: String,
    used: Cell<bool>,
}

impl Deviations {
    pub(crate) fn of(vendor: &str) -> Self {
        assert!(VENDORS.contains(&vendor), "{vendor} is not among the vendors of the list");
        Self::parse(TEXT, vendor)
    }

    fn parse(text: &str, vendor: &str) -> Self {
        let heading = format!("## {vendor}");
        let section = text.lines().skip_while(|line| *line != heading).skip(1);
        let rows = section.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| "));
        // The first two lines of a table are its head and a rule, which begins with "|--".
        Self(rows.skip(1).map(Row::parse).collect())
    }

    /// Returns the differences between the two lists: deviations without a row, and rows without a deviation.
    pub(crate) fn faults(&self, found: &[(Deviation, String)]) -> Vec<String> {
        let mut faults = Vec::new();
        for (deviation, why) in found {
            let Deviation { case, accepted, ours } = deviation;
            let mut rows = self.0.iter().filter(|row| row.matches(deviation)).peekable();
            if rows.peek().is_none() {
                let vendor = if *accepted { "accepted" } else { "refused" };
                faults.push(format!("not listed: | {case} | {vendor} | {ours} | ({why})"));
            }
            rows.for_each(|row| row.used.set(true));
        }
        for row in self.0.iter().filter(|row| !row.used.get()) {
            faults.push(format!("no longer found: {} ({})", row.pattern, row.ours));
        }
        faults
    }
}

impl Row {
    fn parse(line: &str) -> Self {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [pattern, vendor, ours, why] = cells[..] else { panic!("not four cells: {line}") };
        let pattern = pattern.trim_matches('`').to_owned();
        assert!(!pattern.is_empty() && !ours.is_empty() && !why.is_empty(), "an empty cell: {line}");
        let accepted = match vendor {
            "accepted" => true,
            "refused" => false,
            _ => panic!("neither accepted nor refused: {line}"),
        };
        Self { pattern, accepted, ours: ours.trim_matches('`').to_owned(), used: Cell::new(false) }
    }

    fn matches(&self, deviation: &Deviation) -> bool {
        self.accepted == deviation.accepted && self.ours == deviation.ours && fits(&self.pattern, &deviation.case)
    }
}

/// Tells whether `name` matches `pattern`, in which `*` matches any text.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
        }),
    }
}

pub(crate) fn match_by_name_and_verdicts() {
    let text = "\
## One

| token | vendor | ours | why |
|---|---|---|---|
| `a: x*` | accepted | `wrong_type` | because |
| `a: y` | refused | `accepted` | because |

## Other

| token | vendor | ours | why |
|---|---|---|---|
| `b: *` | accepted | `expired` | because |
";
    let found = |case: &str, accepted, ours: &str| {
        (Deviation { case: case.to_owned(), accepted, ours: ours.to_owned() }, String::new())
    };
    let all =
        [found("a: x1", true, "wrong_type"), found("a: x2", true, "wrong_type"), found("a: y", false, "accepted")];
    assert_eq!(Deviations::parse(text, "One").faults(&all), [""; 0]);
    // A deviation that no longer occurs, then one with another name, verdict, reason or vendor.
    assert_eq!(Deviations::parse(text, "One").faults(&all[1..2]).len(), 1);
    for other in [
        found("a: z", true, "wrong_type"),
        found("a: x", false, "wrong_type"),
        found("a: x", true, "expired"),
        found("b: x", true, "expired"),
    ] {
        let with_other: Vec<_> =
            all.iter().chain([&other]).map(|(each, _)| found(&each.case, each.accepted, &each.ours)).collect();
        assert_eq!(Deviations::parse(text, "One").faults(&with_other).len(), 1, "{other:?}");
    }
    assert!(fits("a*c*", "abcd") && fits("*", "") && !fits("a*c", "abcd") && !fits("a", "ab"));
}

pub(crate) fn every_vendor_is_compared() {
    let headings: Vec<_> = TEXT.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(headings, VENDORS);
}
