//! Requests to the hub, and to the hosts that it sends one on to.
//!
//! Redirects are followed here and not by the HTTP library, for one reason: the token is for the hub
//! alone, and must not go to the hosts that keep the large files.

use std::time::Duration;

use ureq::http::{Method, Request, Response, Uri};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use super::error::HubError;
use super::roots::trusted;

/// A chain of more redirects is a circle.
const MOST_REDIRECTS: usize = 8;

/// How much of what a server says about a refusal is repeated.
const LONGEST_MESSAGE: usize = 200;

/// Who is asked, and as whom.
pub(super) struct Client {
    agent: Agent,
    /// Without a slash at its end.
    endpoint: String,
    token: Option<String>,
}

/// Which redirects to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Only those within the hub, such as those of a renamed repository: what the hub itself says of a
    /// file stands in its own answer.
    WithinHub,
    /// Those to other hosts as well.
    Anywhere,
}

impl Client {
    /// `patience` is how long a connection may be silent.
    pub(super) fn new(
        endpoint: &str,
        token: Option<String>,
        patience: Duration,
    ) -> Result<Client, HubError> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        let uri = endpoint.parse::<Uri>().ok();
        if !uri.is_some_and(|uri| is_http(&uri) && uri.authority().is_some()) {
            return Err(HubError::Endpoint { found: endpoint });
        }
        let tls = TlsConfig::builder().root_certs(trusted()?).build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .user_agent(concat!("soundseek/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .build()
            .new_agent();
        Ok(Client {
            agent,
            endpoint,
            token,
        })
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Asks for a path below the hub's address, and for bytes from `from` on if that is not 0. Gives
    /// the answer of whatever status but a redirect that is to be followed, and its address.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        from: u64,
        follow: Follow,
    ) -> Result<(Response<Body>, String), HubError> {
        let mut url = format!("{}/{path}", self.endpoint);
        for _ in 0..MOST_REDIRECTS {
            let bad_answer = |problem: String| HubError::Answer {
                url: url.clone(),
                problem,
            };
            let mut request = Request::builder().method(method.clone()).uri(&url);
            if let Some(token) = self.token.as_ref().filter(|_| self.is_own(&url)) {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            if from > 0 {
                request = request.header("range", format!("bytes={from}-"));
            }
            let request = request.body(()).map_err(|error| HubError::Connection {
                url: url.clone(),
                reason: format!("it cannot be asked for: {error}"),
            })?;
            let response = self
                .agent
                .run(request)
                .map_err(|error| HubError::Connection {
                    url: url.clone(),
                    reason: error.to_string(),
                })?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((response, url));
            }
            let location = header(&response, "location");
            let next = location
                .and_then(|location| absolute(&url, location))
                .ok_or_else(|| bad_answer(format!("a redirect to {:?}", location.unwrap_or(""))))?;
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err(bad_answer(format!("a redirect to the unprotected {next}")));
            }
            if follow == Follow::WithinHub && !self.is_own(&next) {
                return Ok((response, url));
            }
            url = next;
        }
        Err(HubError::Answer {
            url,
            problem: "one redirect after another".to_owned(),
        })
    }

    /// True for an address of the hub itself: its scheme, host and port.
    fn is_own(&self, url: &str) -> bool {
        origin(url).is_some_and(|origin| Some(origin) == self::origin(&self.endpoint))
    }
}

/// The value of a header that is there once and is text.
pub(super) fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// The error of an answer that is a refusal without further meaning.
pub(super) fn refusal(response: &Response<Body>, url: String) -> HubError {
    let message = header(response, "x-error-message").unwrap_or("");
    let said: String = message.chars().take(LONGEST_MESSAGE).collect();
    HubError::Status {
        url,
        status: response.status().as_u16(),
        said: if said.is_empty() {
            said
        } else {
            format!(": {said}")
        },
    }
}

fn is_http(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https"))
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok().filter(is_http)?;
    let scheme = uri.scheme_str()?.to_owned();
    let default = if scheme == "https" { 443 } else { 80 };
    let host = uri.host()?.to_ascii_lowercase();
    Some((scheme, host, uri.port_u16().unwrap_or(default)))
}

/// What a redirect from `url` leads to: another address, or a path of the same server.
fn absolute(url: &str, location: &str) -> Option<String> {
    let target: Uri = location.parse().ok()?;
    if target.scheme().is_some() {
        return is_http(&target).then(|| location.to_owned());
    }
    let from: Uri = url.parse().ok()?;
    if let Some(authority) = location.strip_prefix("//") {
        return Some(format!("{}://{authority}", from.scheme_str()?));
    }
    location.starts_with('/').then(|| {
        Some(format!(
            "{}://{}{location}",
            from.scheme_str()?,
            from.authority()?
        ))
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hub_itself_is_its_own() {
        let client = Client::new("https://hub.example/", None, Duration::from_secs(1));
        let client = client.expect("an address");
        assert!(client.is_own("https://hub.example/api"));
        assert!(client.is_own("https://HUB.example:443/api"));
        for other in [
            "http://hub.example/api",
            "https://hub.example:8443/api",
            "https://cdn.hub.example/api",
            "https://hub.example.org/api",
            "https://hub.example@other.example/api",
        ] {
            assert!(!client.is_own(other), "{other}");
        }
        for bad in ["", "hub.example", "ftp://hub.example", "/hub"] {
            let refused = Client::new(bad, None, Duration::from_secs(1));
            assert!(refused.is_err_and(|error| error.to_string().contains("HF_ENDPOINT")));
        }
    }

    #[test]
    fn redirects_lead_to_addresses_and_to_paths() {
        let from = "https://hub.example/a/b?x=1";
        for (location, to) in [
            ("/c?y=2", Some("https://hub.example/c?y=2")),
            ("https://cdn.example/d", Some("https://cdn.example/d")),
            ("file:///etc/passwd", None),
            ("e", None),
            ("", None),
        ] {
            assert_eq!(absolute(from, location).as_deref(), to, "{location}");
        }
    }
}
