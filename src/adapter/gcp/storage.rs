//! Objects that a name or a glob `gs://bucket/…` means. Globs are those of files: `*` stays within a folder, `**` does not.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use glob::{MatchOptions, Pattern};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::bucket::Bucket;
use super::listing;
use super::object::Object;
use crate::port::Input;

pub use super::bucket::StorageError;

const SCHEME: &str = "gs://";
const WILD: [char; 3] = ['*', '?', '['];
/// Far more than a command takes: bounds what a listing keeps.
const OBJECTS_MAX: usize = 100_000;

/// Does it name objects, and not files?
pub fn names_objects(pattern: &str) -> bool {
    pattern.starts_with(SCHEME)
}

/// In the order of the patterns, those of a glob by name; an object that several name is read once.
pub fn inputs(patterns: &[String]) -> Result<Vec<Arc<dyn Input>>, StorageError> {
    let mut buckets: BTreeMap<&str, Arc<Bucket>> = BTreeMap::new();
    let mut inputs: Vec<Arc<dyn Input>> = Vec::new();
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    for pattern in patterns {
        let (bucket, key) = parts(pattern)?;
        let bucket = match buckets.get(bucket) {
            Some(bucket) => Arc::clone(bucket),
            None => {
                let opened = Bucket::open(bucket)?;
                buckets.insert(bucket, Arc::clone(&opened));
                opened
            }
        };
        for meta in objects(&bucket, pattern, key)? {
            let object = Object::new(&bucket, meta);
            if seen.insert(object.name()) {
                inputs.push(Arc::new(object));
            }
        }
    }
    Ok(inputs)
}

fn parts(pattern: &str) -> Result<(&str, &str), StorageError> {
    let wrong = |why: &str| StorageError::Name { name: pattern.to_owned(), why: why.to_owned() };
    let place = pattern.strip_prefix(SCHEME).unwrap_or(pattern);
    let (bucket, key) = place.split_once('/').ok_or_else(|| wrong("no object follows the bucket"))?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if bucket.is_empty() || !bucket.chars().all(plain) {
        return Err(wrong("a bucket's name has small letters, digits, `-`, `_` and `.`"));
    }
    if key.is_empty() {
        return Err(wrong("no object follows the bucket"));
    }
    Ok((bucket, key))
}

fn objects(bucket: &Bucket, pattern: &str, key: &str) -> Result<Vec<ObjectMeta>, StorageError> {
    let wrong = |why: String| StorageError::Name { name: pattern.to_owned(), why };
    let wild = key.find(WILD);
    let folder = key.ends_with('/');
    // An object that exists is meant as it is, even with brackets in its name.
    if !folder && let Ok(path) = Path::parse(key) {
        if let Some(meta) = bucket.head(&path)? {
            return Ok(vec![meta]);
        }
    } else if wild.is_none() && !folder {
        return Err(wrong("a part of it is empty, `.` or `..`".to_owned()));
    }
    let none = |near: &str| StorageError::NoMatch { pattern: pattern.to_owned(), near: near.to_owned() };
    let Some(wild) = wild else {
        let below = format!("{}/", key.trim_end_matches('/'));
        let page = bucket.list(&below, true, None)?.result;
        if page.objects.is_empty() && page.common_prefixes.is_empty() {
            let parent = key.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
            return Err(none(&bucket.full_name(parent)));
        }
        return Err(StorageError::Folder { name: pattern.trim_end_matches('/').to_owned() });
    };
    let glob = Pattern::new(key).map_err(|error| wrong(error.to_string()))?;
    let (prefix, rest) = key.split_at(wild);
    let mut found = Vec::new();
    let mut page = None;
    loop {
        let listed = bucket.list(prefix, !rest.contains('/') && !rest.contains("**"), page)?;
        for meta in listed.result.objects {
            let name = listing::name(meta.location.as_ref());
            // One that ends in `/` is there to show a folder.
            if name.ends_with('/') || !matches(&glob, &name) {
                continue;
            }
            if name != meta.location.as_ref() {
                return Err(StorageError::OddName { name: bucket.full_name(&name) });
            }
            found.push(meta);
        }
        if found.len() > OBJECTS_MAX {
            return Err(StorageError::TooMany { pattern: pattern.to_owned(), most: OBJECTS_MAX });
        }
        page = listed.page_token.filter(|token| !token.is_empty());
        if page.is_none() {
            break;
        }
    }
    found.sort_by(|a, b| a.location.cmp(&b.location));
    let near = prefix.rsplit_once('/').map_or("", |(parent, _)| parent);
    if found.is_empty() { Err(none(&bucket.full_name(near))) } else { Ok(found) }
}

fn matches(glob: &Pattern, name: &str) -> bool {
    let options =
        MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
    glob.matches_with(name, options)
}
