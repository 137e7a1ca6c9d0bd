//! Names of objects as a listing has them. The client takes none with a part that is empty, `.` or `..`, and with one such
//! name it refuses the whole page: those parts are marked before it reads them, and the marks are taken off here.

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

/// Behind such a part; of the characters that mean nothing to anybody.
const MARK: char = '\u{e000}';
/// What a name stands in.
const TAGS: [&str; 2] = ["Key", "Prefix"];

/// The object's name as the bucket has it.
pub fn name(location: &str) -> String {
    location.replace(MARK, "")
}

/// Connects as the client does, and marks names in listings.
#[derive(Debug, Default)]
pub struct MarkNames(ReqwestConnector);

impl HttpConnector for MarkNames {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Marking(self.0.connect(options)?)))
    }
}

#[derive(Debug)]
struct Marking(HttpClient);

#[async_trait]
impl HttpService for Marking {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let listing = request.uri().query().is_some_and(|query| query.contains("list-type="));
        let answer = self.0.execute(request).await?;
        if !listing || !answer.status().is_success() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let text = String::from_utf8_lossy(&body.bytes().await?).into_owned();
        Ok(HttpResponse::from_parts(head, TAGS.iter().fold(text, |text, tag| marked(&text, tag)).into()))
    }
}

/// The listing with marks in what stands between these tags.
fn marked(xml: &str, tag: &str) -> String {
    let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
    let mut pieces = xml.split(&begin);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, after) = piece.split_once(&end).unwrap_or((piece, ""));
        let parts = name.split('/').map(|part| match part {
            "" | "." | ".." => format!("{part}{MARK}"),
            _ => part.to_owned(),
        });
        text.extend([&begin, parts.collect::<Vec<_>>().join("/").as_str(), &end, after]);
    }
    text
}

#[cfg(test)]
mod tests {
    use object_store::path::Path;

    use super::{marked, name};

    #[test]
    fn every_name_comes_back_as_it_was() {
        for wanted in ["a", "a/b.c", "a//b", "/a", "a/", "a/./b", "../a", "//", "a/...", "."] {
            let xml = marked(&format!("<x><Key>{wanted}</Key><Size>1</Size><Key>b</Key></x>"), "Key");
            let (_, rest) = xml.split_once("<Key>").expect("a key");
            let (found, rest) = rest.split_once("</Key>").expect("its end");
            assert_eq!(name(Path::parse(found).expect("a path").as_ref()), wanted);
            assert_eq!(rest, "<Size>1</Size><Key>b</Key></x>");
        }
    }
}
