//! Keeps secrets out of what is said: a place may answer with what it was sent.

/// Of what is shorter, nothing could be told any more.
const BYTES_MIN: usize = 6;
const INSTEAD: &str = "***";

/// Texts that are never said.
#[derive(Clone, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut texts: Vec<String> = texts.into_iter().filter(|text| text.len() >= BYTES_MIN).collect();
        // A secret that has another within it goes first.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts)
    }

    pub fn out_of(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, INSTEAD))
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn a_secret_is_not_said() {
        let secrets = Secrets::new(["secret".to_owned(), "Bearer secret".to_owned(), "x".to_owned()]);
        assert_eq!(secrets.out_of("Bearer secret, secret, x"), "***, ***, x");
    }
}
