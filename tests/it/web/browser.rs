//! A real browser, without a window: Chromium, spoken to over its DevTools protocol on a pair of pipes (`--remote-debugging-pipe`: one JSON document
//! after the other, with a zero byte behind each).

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use crate::support::{has_program, skip, stretched};

const PATIENCE: Duration = Duration::from_secs(60);
/// What the browser says of a script whose page went away while it ran.
const GONE: [&str; 3] =
    ["Execution context was destroyed", "Inspected target navigated or closed", "Cannot find context with specified id"];

/// One page in a browser of its own.
pub struct Page {
    browser: Child,
    orders: ChildStdin,
    answers: ChildStdout,
    heard: Vec<u8>,
    number: u64,
    session: Option<String>,
    complaints: Vec<String>,
}

/// A browser with the page at `address`; none where there is no browser, which is a failure wherever `./setup test` has run.
pub fn browse(test: &str, folder: &Path, address: &str) -> Option<Page> {
    if !has_program("chromium") {
        assert!(std::env::var_os("BOTTLESHIP_SKIPS").is_none(), "there is no chromium: `./setup test` installs it");
        skip(test, "there is no chromium on the PATH (`./setup test` installs it)");
        return None;
    }
    Some(Page::open(folder, address))
}

impl Page {
    /// Starts a browser with its profile below `folder`, and opens `address`.
    pub fn open(folder: &Path, address: &str) -> Page {
        let profile = folder.join("chromium");
        let line = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking --no-first-run \
            --user-data-dir=\"$1\" --remote-debugging-pipe about:blank 3<&0 4>&1 0< /dev/null 1> /dev/null 2> \"$1.log\"";
        let mut browser = Command::new("bash")
            .args(["-c", line, "chromium"])
            .arg(&profile)
            .env("HOME", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start chromium");
        let (orders, answers) = (browser.stdin.take().expect("its orders"), browser.stdout.take().expect("its answers"));
        let mut page = Page { browser, orders, answers, heard: Vec::new(), number: 0, session: None, complaints: Vec::new() };
        let target = page.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let session = page.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }))["sessionId"].clone();
        page.session = session.as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Accessibility"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page.goes(address);
        page
    }

    /// Opens another address in the same page.
    pub fn goes(&mut self, address: &str) {
        let told = self.call("Page.navigate", &json!({ "url": address }));
        assert!(told["errorText"].is_null(), "{address}: {}", told["errorText"]);
    }

    /// Calls a method of the protocol; its result.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.asks(method, params).unwrap_or_else(|error| panic!("{method} {params}: {error}"))
    }

    /// Calls a method of the protocol; its result, or the browser's error.
    fn asks(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.number += 1;
        let mut order = json!({ "id": self.number, "method": method, "params": params });
        if let Some(session) = &self.session {
            order["sessionId"] = session.as_str().into();
        }
        self.orders.write_all(format!("{order}\0").as_bytes()).expect("order the browser");
        let deadline = Instant::now() + stretched(PATIENCE);
        loop {
            let told = self.next(deadline, method);
            if told["id"] == self.number {
                return if told["error"].is_null() { Ok(told["result"].clone()) } else { Err(told["error"].clone()) };
            }
            self.note(&told);
        }
    }

    /// What a script in the page gives.
    pub fn eval(&mut self, script: &str) -> Value {
        self.tries(script).unwrap_or_else(|| panic!("{script}: the page went away meanwhile"))
    }

    /// The same; nothing if the page goes to another address (or comes anew) meanwhile.
    fn tries(&mut self, script: &str) -> Option<Value> {
        let asked = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let result = match self.asks("Runtime.evaluate", &asked) {
            Ok(result) => result,
            Err(error) if error["message"].as_str().is_some_and(|why| GONE.iter().any(|gone| why.contains(gone))) => return None,
            Err(error) => panic!("{script}: {error}"),
        };
        assert!(result["exceptionDetails"].is_null(), "{script}: {}", result["exceptionDetails"]);
        Some(result["result"]["value"].clone())
    }

    /// Looks until `condition` holds in the page.
    pub fn becomes(&mut self, condition: &str, patience: Duration) {
        let deadline = Instant::now() + stretched(patience);
        loop {
            // Before the look, so that one look comes after the deadline.
            let late = Instant::now() > deadline;
            if self.tries(&format!("!!({condition})")) == Some(true.into()) {
                return;
            }
            if late {
                let shown = self.tries("document.body ? document.body.innerText : ''").unwrap_or_default();
                panic!("not within {patience:?}: {condition}; the page shows:\n{}", shown.as_str().unwrap_or_default());
            }
            // As a frame is drawn: the page's own clock is the pause, and a page that goes away ends it.
            self.tries("new Promise((after) => setTimeout(after, 16))");
        }
    }

    /// Clicks into the middle of what the selector finds, as a mouse does.
    pub fn click(&mut self, selector: &str) {
        let middle = self.eval(&format!(
            "(() => {{ const {{ x, y, width, height }} = document.querySelector({}).getBoundingClientRect(); return [x + width / 2, y + height / 2] }})()",
            json!(selector)
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Presses a key.
    pub fn key(&mut self, key: &str, code: u32) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// What the browser has complained of: errors of scripts, refused by the policy, not found.
    pub fn complaints(&mut self) -> Vec<String> {
        self.eval("1");
        // A browser asks for an icon that nobody has promised.
        self.complaints.iter().filter(|complaint| !complaint.contains("favicon.ico")).cloned().collect()
    }

    fn note(&mut self, told: &Value) {
        match told["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(told["params"]["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if told["params"]["entry"]["level"] == "error" => {
                self.complaints.push(told["params"]["entry"].to_string())
            }
            _ => {}
        }
    }

    fn next(&mut self, deadline: Instant, waits: &str) -> Value {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == 0) {
                let told: Vec<u8> = self.heard.drain(..=end).collect();
                return serde_json::from_slice(&told[..end]).expect("JSON from the browser");
            }
            let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now())).expect("a patience that fits");
            let ready = poll(&mut [PollFd::new(&self.answers.as_fd(), PollFlags::IN)], Some(&left)).unwrap_or(0);
            assert!(ready > 0, "the browser does not answer to {waits} within {PATIENCE:?}");
            let mut bytes = [0; 65536];
            let read = self.answers.read(&mut bytes).expect("read from the browser");
            assert!(read > 0, "the browser has ended, waiting for {waits}");
            self.heard.extend_from_slice(&bytes[..read]);
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It ends with its pipes; killed, it leaves children behind for a moment, and they would write into a folder that goes away.
        let _ = self.orders.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.browser.wait();
    }
}
