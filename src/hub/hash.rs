//! The hashes that the hub states of its files, which are also the names of their copies in the cache.
//!
//! Large files are known by the SHA-256 of their content, small ones by what git calls them: the SHA-1
//! of `blob LENGTH\0` and the content. Both come with ring, which TLS needs anyway.

use ring::digest;

/// What the hub says a file's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StatedHash {
    Sha256(String),
    GitBlob(String),
}

impl StatedHash {
    /// Reads an ETag; `None` for one that is no hash.
    pub(super) fn from_etag(etag: &str) -> Option<StatedHash> {
        let etag = etag.strip_prefix("W/").unwrap_or(etag);
        let hex = etag.trim_matches('"').to_ascii_lowercase();
        if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match hex.len() {
            64 => Some(StatedHash::Sha256(hex)),
            40 => Some(StatedHash::GitBlob(hex)),
            _ => None,
        }
    }

    /// In hexadecimal; the name of the content in the cache.
    pub(super) fn hex(&self) -> &str {
        let (StatedHash::Sha256(hex) | StatedHash::GitBlob(hex)) = self;
        hex
    }

    /// Begins to hash a content of `length` bytes in the same way.
    pub(super) fn hasher(&self, length: u64) -> Hasher {
        let mut context = digest::Context::new(match self {
            StatedHash::Sha256(_) => &digest::SHA256,
            StatedHash::GitBlob(_) => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        });
        if let StatedHash::GitBlob(_) = self {
            context.update(format!("blob {length}\0").as_bytes());
        }
        Hasher(context)
    }
}

/// A hash in the making.
#[derive(Clone)]
pub(super) struct Hasher(digest::Context);

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hexadecimal.
    pub(super) fn finish(self) -> String {
        let digest = self.0.finish();
        let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        digits.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(stated: &StatedHash, content: &[u8]) -> String {
        let mut hasher = stated.hasher(content.len() as u64);
        content.chunks(2).for_each(|bytes| hasher.update(bytes));
        hasher.finish()
    }

    #[test]
    fn contents_are_hashed_as_sha256sum_and_git_hash_object_do() {
        // printf 'hello\n' | sha256sum; printf 'hello\n' | git hash-object --stdin
        for (etag, hex) in [
            (
                "\"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\"",
                "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            ),
            (
                "W/\"CE013625030ba8dba906f756967f9e9ca394464a\"",
                "ce013625030ba8dba906f756967f9e9ca394464a",
            ),
        ] {
            let stated = StatedHash::from_etag(etag).expect("a hash");
            assert_eq!(stated.hex(), hex);
            assert_eq!(hash(&stated, b"hello\n"), hex);
            assert_ne!(hash(&stated, b"hello"), hex);
        }
        for no_hash in ["", "\"abc\"", "\"../../../../etc/passwd\"", &"g".repeat(40)] {
            assert_eq!(StatedHash::from_etag(no_hash), None);
        }
    }
}
