//! A Hugging Face hub on loopback, and beside it the host that keeps its large files: what the tests of
//! downloads are run against. It speaks as much of the protocol as clients use (the model API,
//! `resolve`, redirects, ranges, ETags, the headers of errors), and misbehaves as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ring::digest;
use serde_json::json;

/// The repository that it has.
pub const REPOSITORY: &str = "laion/clap-htsat-unfused";
/// The commit of `main`.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// How it differs from a hub that works.
#[derive(Default)]
pub struct Manners {
    /// Only with this token anything is told.
    pub token: Option<&'static str>,
    /// Terms have to be accepted.
    pub gated: bool,
    /// Answers with the weights end after so many bytes, though more were announced.
    pub cut_after: Option<usize>,
    /// The weights are not what their hash says.
    pub alter: bool,
    /// Asked for a part, it sends the whole.
    pub no_parts: bool,
    /// Asked for a part, it sends the one after it.
    pub wrong_parts: bool,
    /// The weights are announced with so many bytes.
    pub announced: Option<usize>,
    /// `config.json` comes byte by byte.
    pub slow: bool,
    /// `config.json` is announced and never comes.
    pub silent: bool,
    /// The ETags of small files are these.
    pub etag: Option<&'static str>,
    /// The first so many questions for weights are answered with this status.
    pub failing: Mutex<Vec<u16>>,
    /// Redirects of weights lead here.
    pub redirect: Option<&'static str>,
    /// What the API answers.
    pub api: Option<&'static str>,
}

/// A question as it came in.
#[derive(Debug, Clone)]
pub struct Question {
    /// True for the host of the large files.
    pub to_store: bool,
    pub method: String,
    pub path: String,
    headers: BTreeMap<String, String>,
}

impl Question {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

pub struct HubServer {
    hub: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    store: SocketAddr,
    files: BTreeMap<String, Vec<u8>>,
    manners: Manners,
    questions: Mutex<Vec<Question>>,
}

impl HubServer {
    /// Serves these files of a folder; weights as large files.
    pub fn start(folder: &Path, names: &[&str], manners: Manners) -> HubServer {
        let file = |name: &&str| {
            let content = std::fs::read(folder.join(name)).expect("a file to serve");
            ((*name).to_owned(), content)
        };
        let listen = || TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let (hub, store) = (listen(), listen());
        let shared = Arc::new(Shared {
            store: store.local_addr().expect("an address"),
            files: names.iter().map(file).collect(),
            manners,
            questions: Mutex::default(),
        });
        let server = HubServer {
            hub: hub.local_addr().expect("an address"),
            shared: Arc::clone(&shared),
        };
        for (listener, to_store) in [(hub, false), (store, true)] {
            let shared = Arc::clone(&shared);
            // Ends with the tests.
            std::thread::spawn(move || {
                for connection in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.answer(connection, to_store));
                }
            });
        }
        server
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.hub)
    }

    pub fn questions(&self) -> Vec<Question> {
        self.shared.questions.lock().expect("no panic").clone()
    }

    /// The hash that names a served file in the cache.
    pub fn hash(&self, name: &str) -> String {
        hash(name, &self.shared.files[name])
    }
}

fn is_large(name: &str) -> bool {
    matches!(name, "model.safetensors" | "pytorch_model.bin")
}

fn hash(name: &str, content: &[u8]) -> String {
    let digest = if is_large(name) {
        digest::digest(&digest::SHA256, content)
    } else {
        let head = format!("blob {}\0", content.len());
        let whole = [head.as_bytes(), content].concat();
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &whole)
    };
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

impl Shared {
    /// Answers one question; a client that hangs up is no reason to panic.
    fn answer(&self, mut connection: TcpStream, to_store: bool) {
        let Some(question) = read_question(&connection, to_store) else {
            return;
        };
        let mut questions = self.questions.lock().expect("no panic");
        questions.push(question.clone());
        drop(questions);
        let _ = self.reply(&question, &mut connection);
    }

    fn reply(&self, question: &Question, to: &mut TcpStream) -> std::io::Result<()> {
        let manners = &self.manners;
        let wanted = manners.token.map(|token| format!("Bearer {token}"));
        if !question.to_store
            && wanted.as_deref() != question.header("authorization")
            && wanted.is_some()
        {
            return head(to, 401, &[("X-Error-Code", "RepoNotFound")]);
        }
        let path = question.path.as_str();
        let moved = path.contains("laion/old-name");
        if moved {
            let to_new = path.replace("laion/old-name", REPOSITORY);
            return head(to, 307, &[("Location", &to_new)]);
        }
        if let Some(revision) = path.strip_prefix(&format!("/api/models/{REPOSITORY}/revision/")) {
            return self.model(revision, to);
        }
        let resolve = format!("/{REPOSITORY}/resolve/{COMMIT}/");
        match path.strip_prefix(&resolve) {
            Some(_) if manners.gated => {
                let why = "Access to model is restricted";
                let headers = [("X-Error-Code", "GatedRepo"), ("X-Error-Message", why)];
                head(to, 403, &headers)
            }
            Some(name) if !self.files.contains_key(name) => {
                head(to, 404, &[("X-Error-Code", "EntryNotFound")])
            }
            Some(name) if question.to_store => self.content(name, question, to),
            Some(name) if is_large(name) => {
                let content = &self.files[name];
                let elsewhere = format!("http://{}{path}", self.store);
                let headers = [
                    ("Location", manners.redirect.unwrap_or(&elsewhere)),
                    ("X-Linked-Etag", &format!("\"{}\"", hash(name, content))),
                    ("X-Linked-Size", &content.len().to_string()),
                    ("ETag", "\"of the redirect\""),
                ];
                head(to, 302, &headers)
            }
            Some(name) => self.content(name, question, to),
            None => {
                let headers = [
                    ("X-Error-Code", "RepoNotFound"),
                    ("X-Error-Message", "Repository not found"),
                ];
                head(to, 404, &headers)
            }
        }
    }

    fn model(&self, revision: &str, to: &mut TcpStream) -> std::io::Result<()> {
        if revision != "main" && revision != COMMIT && revision != "refs%2Fpr%2F1" {
            return head(to, 404, &[("X-Error-Code", "RevisionNotFound")]);
        }
        let named = |name: &str| json!({ "rfilename": name });
        let mut siblings: Vec<_> = self.files.keys().map(|name| named(name)).collect();
        siblings.extend(["../../x", "/tmp/x", "README.md"].map(named));
        let model = json!({
            "sha": COMMIT,
            "siblings": siblings,
            "cardData": { "license": "apache-2.0" },
        });
        let model = self.manners.api.map_or(model.to_string(), str::to_owned);
        head(to, 200, &[("Content-Length", &model.len().to_string())])?;
        to.write_all(model.as_bytes())
    }

    fn content(&self, name: &str, question: &Question, to: &mut TcpStream) -> std::io::Result<()> {
        let manners = &self.manners;
        let large = is_large(name);
        if large && let Some(status) = manners.failing.lock().expect("no panic").pop() {
            return head(to, status, &[]);
        }
        let mut content = self.files[name].clone();
        let whole = content.len();
        let etag = format!("\"{}\"", hash(name, &content));
        let etag = manners.etag.unwrap_or(&etag);
        if large && manners.alter {
            content[whole / 2] ^= 1;
        }
        let range = question.header("range").filter(|_| !manners.no_parts);
        let from = range.and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        });
        let mut body = &content[from.unwrap_or(0).min(whole)..];
        let announced = manners
            .announced
            .filter(|_| large)
            .unwrap_or(body.len())
            .to_string();
        let mut headers = vec![("ETag", etag), ("Content-Length", &*announced)];
        let shift = usize::from(manners.wrong_parts);
        let part = from.map(|from: usize| format!("bytes {}-{}/{whole}", from + shift, whole - 1));
        headers.extend(part.as_deref().map(|part| ("Content-Range", part)));
        head(to, if part.is_some() { 206 } else { 200 }, &headers)?;
        if question.method == "HEAD" {
            return Ok(());
        }
        if large && let Some(most) = manners.cut_after {
            body = &body[..most.min(body.len())];
        }
        if name == "config.json" && manners.silent {
            // Until the client hangs up.
            let _ = BufReader::new(&*to).read_line(&mut String::new());
            return Ok(());
        }
        if name == "config.json" && manners.slow {
            return body.iter().try_for_each(|byte| to.write_all(&[*byte]));
        }
        to.write_all(body)
    }
}

fn read_question(connection: &TcpStream, to_store: bool) -> Option<Question> {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    Some(Question {
        to_store,
        method,
        path,
        headers,
    })
}

/// Everything before the content of an answer; without a length there is none.
fn head(to: &mut TcpStream, status: u16, headers: &[(&str, &str)]) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} As it is\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        text += "Content-Length: 0\r\n";
    }
    text += "\r\n";
    to.write_all(text.as_bytes())
}
