//! A service that takes webhooks, and answers as a test wants.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that the server got.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// When it was complete.
    pub at: Instant,
    /// Its path and query.
    pub target: String,
    /// Its header lines, as they were sent.
    pub headers: Vec<String>,
    /// Its body; what is not UTF-8 is replaced.
    pub body: String,
}

/// What a request is answered with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WebhookAnswer {
    /// A status, header lines such as `Retry-After: 3`, and a body.
    Response(u16, Vec<String>, String),
    /// Nothing, for as long as the server lives.
    Silence,
    /// The end of the connection.
    Close,
}

impl WebhookAnswer {
    /// A status and a body.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self::Response(status, Vec::new(), body.into())
    }
}

/// An HTTP server on loopback that counts and keeps what is posted to it: for tests of alerts.
///
/// It answers as it was told; 200 with an empty body until then. It ends when it is dropped.
#[derive(Debug)]
pub struct WebhookServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    got: Mutex<Vec<Webhook>>,
    answers: Mutex<(VecDeque<WebhookAnswer>, WebhookAnswer)>,
    ended: AtomicBool,
}

impl WebhookServer {
    /// Starts a server on any free port.
    ///
    /// # Panics
    ///
    /// When there is no port or no thread for it.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            got: Mutex::default(),
            answers: Mutex::new((VecDeque::new(), WebhookAnswer::new(200, ""))),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ended.load(Ordering::Acquire) {
                    return;
                }
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.serve(&stream));
            }
        });
        Self {
            addr,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// The address of this path: `http://127.0.0.1:…/path`.
    #[must_use]
    pub fn url(&self, path_and_query: &str) -> String {
        format!("http://{}{path_and_query}", self.addr)
    }

    /// Answers every request like this from now on.
    pub fn answer(&self, answer: WebhookAnswer) {
        lock(&self.shared.answers).1 = answer;
    }

    /// Answers the next request like this, before all others.
    pub fn answer_next(&self, answer: WebhookAnswer) {
        lock(&self.shared.answers).0.push_back(answer);
    }

    /// Every request so far.
    #[must_use]
    pub fn got(&self) -> Vec<Webhook> {
        lock(&self.shared.got).clone()
    }
}

impl Drop for WebhookServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes the acceptor; an error means that it is gone already.
        let _ = TcpStream::connect(self.addr);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) {
        let Ok(request) = read(stream) else { return };
        lock(&self.got).push(request);
        let answer = {
            let mut answers = lock(&self.answers);
            let next = answers.0.pop_front();
            next.unwrap_or_else(|| answers.1.clone())
        };
        match answer {
            WebhookAnswer::Close => {}
            // Until the client has had enough.
            WebhookAnswer::Silence => drop(stream.read(&mut [0])),
            WebhookAnswer::Response(status, headers, body) => {
                // A client that is gone needs no answer.
                let _ = write(stream, status, &headers, &body);
            }
        }
    }
}

fn read(stream: &TcpStream) -> io::Result<Webhook> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let length = lines.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut lines = lines.into_iter();
    let target = lines.next().unwrap_or_default();
    Ok(Webhook {
        at: Instant::now(),
        target: target.split(' ').nth(1).unwrap_or_default().to_owned(),
        headers: lines.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn write(mut stream: &TcpStream, status: u16, headers: &[String], body: &str) -> io::Result<()> {
    let mut answer = format!("HTTP/1.1 {status} -\r\nConnection: close\r\n");
    for header in headers {
        answer.push_str(header);
        answer.push_str("\r\n");
    }
    answer.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(answer.as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
