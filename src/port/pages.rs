//! Pages for whoever watches the program.

/// What is there to read.
pub trait Pages: Send + Sync {
    /// `None` where there is no such page. It is asked often, and by a thread that has other things to do: it waits for nothing.
    fn page(&self, path: &str) -> Option<Page>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Of HTTP.
    pub status: u16,
    pub media_type: &'static str,
    pub body: String,
}

impl Page {
    pub fn text(status: u16, body: String) -> Self {
        Self { status, media_type: "text/plain; charset=utf-8", body }
    }
}
