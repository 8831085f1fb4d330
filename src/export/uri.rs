//! Paths as `file:` addresses, which hold every byte of a name in printable ASCII.

use std::fmt::Write as _;
use std::path::Path;

/// The address of an absolute path (RFC 8089); all bytes but unreserved ones and slashes are escaped,
/// commas too, which separate addresses on some command lines.
pub(super) fn file_uri(path: &Path) -> String {
    let mut uri = String::from("file://");
    if cfg!(windows) {
        uri.push('/');
    }
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'\\' | b':' if cfg!(windows) => uri.push(if byte == b':' { ':' } else { '/' }),
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => uri.push(byte.into()),
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(all(test, unix))]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn every_byte_that_could_mean_something_is_escaped() {
        let path = Path::new(OsStr::from_bytes(b"/a b/c,d%\n\xff\xc3\xa9.wav"));
        assert_eq!(file_uri(path), "file:///a%20b/c%2Cd%25%0A%FF%C3%A9.wav");
    }
}
