//! The API page of the example servers: Swagger UI, from files in this repository.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct PageFile {
    /// The value of `content-type`.
    pub content_type: &'static str,
    /// The content.
    pub content: &'static [u8],
}

/// The value of `content-security-policy` for every file of the page: scripts only from this server, requests also to identity
/// providers. Swagger UI writes styles into its elements, and its icons are `data:` URLs.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                               connect-src 'self' https: http://127.0.0.1:* http://localhost:*; base-uri 'none'; \
                               form-action 'none'; frame-ancestors 'none'";

/// Returns the file of the page at `/docs/{name}`. The page itself, at `/docs`, has the empty name.
#[must_use]
pub fn page_file(name: &str) -> Option<PageFile> {
    const HTML: &str = "text/html; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    let (content_type, content): (_, &[u8]) = match name {
        "" => (HTML, include_bytes!("../page/index.html")),
        "start.js" => (SCRIPT, include_bytes!("../page/start.js")),
        "oauth2-redirect.html" => (HTML, include_bytes!("../swagger-ui/oauth2-redirect.html")),
        "oauth2-redirect.js" => (SCRIPT, include_bytes!("../swagger-ui/oauth2-redirect.js")),
        "swagger-ui-bundle.js" => (SCRIPT, include_bytes!("../swagger-ui/swagger-ui-bundle.js")),
        "swagger-ui.css" => ("text/css; charset=utf-8", include_bytes!("../swagger-ui/swagger-ui.css")),
        _ => return None,
    };
    Some(PageFile { content_type, content })
}
