//! The formats of FORMAT_TIMESTAMP, PARSE_TIMESTAMP and their kin: the elements that every engine reads alike.

use super::function::Id;

/// Part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is, without white space.
    Text(String),
    /// White space; when parsing it stands for any, and for none.
    Space(char),
    Element(Element),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Year,
    YearOfFour,
    YearOfCentury,
    Month,
    MonthName,
    MonthShort,
    Day,
    DayPadded,
    DayOfYear,
    WeekdayName,
    WeekdayShort,
    /// 1 is Monday.
    WeekdayFromMonday,
    /// 0 is Sunday.
    WeekdayFromSunday,
    IsoYear,
    IsoWeek,
    WeekFromSunday,
    WeekFromMonday,
    Hour,
    HourOfTwelve,
    Minute,
    Second,
    /// Seconds with all digits of their fraction.
    SecondFraction,
    /// Seconds with this many digits of their fraction.
    SecondDigits(usize),
    HalfOfDay,
    Epoch,
    ZoneName,
    ZoneOffset,
    ZoneColon,
}

use Element as E;

/// How each is written, what it is, and whether it may be parsed. Elements of a clock are not for a DATE.
const ELEMENTS: &[(&str, Element, bool)] = &[
    ("Y", E::Year, true),
    ("m", E::Month, true),
    ("d", E::Day, true),
    ("e", E::DayPadded, true),
    ("H", E::Hour, true),
    ("M", E::Minute, true),
    ("S", E::Second, true),
    ("E*S", E::SecondFraction, true),
    ("b", E::MonthShort, true),
    ("h", E::MonthShort, true),
    ("B", E::MonthName, true),
    ("z", E::ZoneOffset, true),
    ("s", E::Epoch, true),
    ("E4Y", E::YearOfFour, false),
    ("y", E::YearOfCentury, false),
    ("j", E::DayOfYear, false),
    ("a", E::WeekdayShort, false),
    ("A", E::WeekdayName, false),
    ("u", E::WeekdayFromMonday, false),
    ("w", E::WeekdayFromSunday, false),
    ("G", E::IsoYear, false),
    ("V", E::IsoWeek, false),
    ("U", E::WeekFromSunday, false),
    ("W", E::WeekFromMonday, false),
    ("I", E::HourOfTwelve, false),
    ("p", E::HalfOfDay, false),
    ("E1S", E::SecondDigits(1), false),
    ("E2S", E::SecondDigits(2), false),
    ("E3S", E::SecondDigits(3), false),
    ("E4S", E::SecondDigits(4), false),
    ("E5S", E::SecondDigits(5), false),
    ("E6S", E::SecondDigits(6), false),
    ("Z", E::ZoneName, false),
    ("Ez", E::ZoneColon, false),
];

/// Short forms of several elements.
const SHORT: &[(&str, &str)] = &[("F", "%Y-%m-%d"), ("T", "%H:%M:%S"), ("R", "%H:%M"), ("D", "%m/%d/%y")];

impl Element {
    fn is_clock(self) -> bool {
        matches!(
            self,
            E::Hour
                | E::HourOfTwelve
                | E::Minute
                | E::Second
                | E::SecondFraction
                | E::SecondDigits(_)
                | E::HalfOfDay
                | E::Epoch
                | E::ZoneName
                | E::ZoneOffset
                | E::ZoneColon
        )
    }

    /// Elements that say the same; a format that is parsed has one of each.
    fn says(self) -> Self {
        match self {
            E::MonthName | E::MonthShort => E::Month,
            E::DayPadded => E::Day,
            E::SecondFraction => E::Second,
            other => other,
        }
    }
}

/// What a format is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    pub parse: bool,
    /// Of a DATE.
    pub date: bool,
}

impl Purpose {
    fn has(self, element: Element, parsed: bool) -> bool {
        (parsed || !self.parse) && !(self.date && element.is_clock())
    }

    /// The elements that it has, for messages.
    fn words(self) -> String {
        let elements = ELEMENTS.iter().filter(|(_, element, parsed)| self.has(*element, *parsed));
        let mut words: Vec<String> = elements.map(|(word, ..)| format!("%{word}")).collect();
        let short = SHORT.iter().filter(|(_, long)| read(long, self).is_ok());
        words.extend(short.map(|(word, long)| format!("%{word} ({long})")));
        words.join(" ") + " %%"
    }
}

/// What the format of a function is for.
pub fn purpose(function: Id) -> Purpose {
    Purpose {
        parse: matches!(function, Id::ParseTimestamp | Id::ParseDate),
        date: matches!(function, Id::FormatDate | Id::ParseDate),
    }
}

/// Reads a format, or says what is wrong with it, and what to write.
pub fn pieces(format: &str, purpose: Purpose) -> Result<Vec<Piece>, (String, String)> {
    let pieces = read(format, purpose).map_err(|word| {
        let what = if word.is_empty() {
            "the format ends with %".to_owned()
        } else {
            format!("%{word} is not supported here")
        };
        (what, format!("the elements are {}", purpose.words()))
    })?;
    if purpose.parse { check_parsed(&pieces).map(|()| pieces) } else { Ok(pieces) }
}

/// The pieces of a format, or the element that there is not.
fn read(format: &str, purpose: Purpose) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '%' {
            add(&mut pieces, c);
            continue;
        }
        if let Some(after) = rest.strip_prefix('%') {
            rest = after;
            add(&mut pieces, '%');
            continue;
        }
        if let Some((word, long)) = SHORT.iter().find(|(word, _)| rest.starts_with(word)) {
            rest = &rest[word.len()..];
            pieces.extend(read(long, purpose).map_err(|_| (*word).to_owned())?);
            continue;
        }
        let found = ELEMENTS.iter().find(|(word, ..)| rest.starts_with(word));
        match found.filter(|(_, element, parsed)| purpose.has(*element, *parsed)) {
            Some((word, element, _)) => {
                rest = &rest[word.len()..];
                pieces.push(Piece::Element(*element));
            }
            None => return Err(rest.chars().take(if rest.starts_with('E') { 3 } else { 1 }).collect()),
        }
    }
    Ok(pieces)
}

fn add(pieces: &mut Vec<Piece>, c: char) {
    if is_space(c) {
        return pieces.push(Piece::Space(c));
    }
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push(c),
        _ => pieces.push(Piece::Text(c.to_string())),
    }
}

/// White space as C has it.
pub fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// Nothing is said twice, and where a number ends is clear.
fn check_parsed(pieces: &[Piece]) -> Result<(), (String, String)> {
    let mut said: Vec<Element> = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let Piece::Element(element) = piece else { continue };
        if said.contains(&element.says()) {
            return Err(("the format names a part of the time twice".to_owned(), "leave one out".to_owned()));
        }
        said.push(element.says());
        if let Some(Piece::Text(text)) = pieces.get(place + 1)
            && text.starts_with(|c: char| c.is_ascii_digit())
        {
            let help = "put another sign between them".to_owned();
            return Err(("a digit stands right behind a number".to_owned(), help));
        }
    }
    if said.contains(&E::Epoch) && said.len() > 1 {
        return Err(("%s is the whole time".to_owned(), "no other element stands beside it".to_owned()));
    }
    Ok(())
}

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

#[cfg(test)]
mod tests {
    use super::{Element, Piece, Purpose, pieces};

    const FORMAT: Purpose = Purpose { parse: false, date: false };
    const PARSE: Purpose = Purpose { parse: true, date: false };
    const PARSE_DATE: Purpose = Purpose { parse: true, date: true };

    #[test]
    fn formats_are_read() {
        let read = pieces("%Y %%x", FORMAT).unwrap();
        assert_eq!(read, [Piece::Element(Element::Year), Piece::Space(' '), Piece::Text("%x".into())]);
        assert_eq!(pieces("%F", FORMAT), pieces("%Y-%m-%d", FORMAT));
    }

    #[test]
    fn what_engines_do_not_share_is_refused() {
        for (format, purpose) in [
            ("%", FORMAT),
            ("%c", FORMAT),
            ("%E7S", FORMAT),
            ("%Q", FORMAT),
            ("%H", Purpose { parse: false, date: true }),
            ("%a", PARSE),
            ("%D", PARSE),
            ("%Y %F", PARSE),
            ("%d %e", PARSE),
            ("%s %Y", PARSE),
            ("%m1", PARSE),
            ("%T", PARSE_DATE),
        ] {
            assert!(pieces(format, purpose).is_err(), "{format}");
        }
        assert!(pieces("%c", FORMAT).unwrap_err().1.contains("%F (%Y-%m-%d)"));
        assert!(!pieces("%c", PARSE_DATE).unwrap_err().1.contains("%H"));
    }
}
