//! The live page of a bottle: what it lets in, and how it is in a real browser.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Call, Sandbox, eventually, stretched};
use crate::terminal::Terminal;

pub mod browser;

use browser::{Page, browse};

const PATIENCE: Duration = Duration::from_secs(30);
/// How soon the page shows what has happened.
const SOON: Duration = Duration::from_secs(1);

/// A bottle with its page.
struct Web {
    server: Child,
    /// `127.0.0.1:4711`, and what comes behind it.
    place: (String, String),
    prompt: Terminal,
    sandbox: Sandbox,
}

impl Web {
    fn start() -> Web {
        let sandbox = Sandbox::new();
        let call: Call = sandbox.bottleship(["--plain"]).env("BOTTLESHIP_PTY_MARKS", "1").env("TERM", "xterm");
        let mut prompt = Terminal::start(&call, 100, 30);
        prompt.expect("repl;ready;0\x07", PATIENCE);
        let mut command: Command = sandbox.bottleship(["web"]).command();
        let mut server = command.stdout(Stdio::piped()).spawn().expect("start the page's server");
        let mut address = String::new();
        BufReader::new(server.stdout.take().expect("its output")).read_line(&mut address).expect("its address");
        let (host, path) = address.trim().strip_prefix("http://").expect("an address").split_once('/').expect("a path");
        Web { server, place: (host.to_owned(), format!("/{path}")), prompt, sandbox }
    }

    fn address(&self) -> String {
        format!("http://{}{}", self.place.0, self.place.1)
    }

    /// Types a line at the bottle's prompt and waits for its end.
    fn types(&mut self, line: &str) {
        self.prompt.line(line);
        self.prompt.expect("repl;ready;", PATIENCE);
        let status = self.prompt.expect("\x07", PATIENCE);
        assert_eq!(status, "0\x07", "{line}: {}", self.prompt.seen());
    }

    /// One request; its head and body.
    fn asks(&self, line: &str, host: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.place.0).expect("connect to the page");
        stream.set_read_timeout(Some(stretched(PATIENCE))).expect("set a timeout");
        write!(stream, "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("ask");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_lowercase(), body.to_owned())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        // Gone already is as good, here and below.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn only_who_knows_the_token_and_calls_it_by_its_name_is_let_in() {
    let web = Web::start();
    let (host, path) = web.place.clone();
    let (head, body) = web.asks(&format!("GET {path}"), &host);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for words in [
        "content-security-policy: default-src 'none';",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
    ] {
        assert!(head.contains(words), "{words} is not in {head}");
    }
    assert!(!body.contains("http:") && !body.contains("https:") && !body.contains("//"), "nothing comes from elsewhere: {body}");
    assert!(path.len() >= 32, "a token of 128 bits: {path}");
    // Another name for the same address is a page from elsewhere.
    for name in ["evil.example", "evil.example:80", "127.0.0.1", "localhost", ""] {
        assert!(web.asks(&format!("GET {path}"), name).0.starts_with("http/1.1 421"), "{name:?}");
        assert!(web.asks(&format!("GET {path}state"), name).0.starts_with("http/1.1 421"), "{name:?}");
    }
    let port = host.rsplit(':').next().expect("a port");
    assert!(web.asks(&format!("GET {path}"), &format!("localhost:{port}")).0.starts_with("http/1.1 200"));
    // Without the token, or with another, there is nothing.
    let other = "0".repeat(32);
    for path in ["/", "/state", "/events", &format!("/{other}/state"), &format!("/{other}/")] {
        assert!(web.asks(&format!("GET {path}"), &host).0.starts_with("http/1.1 404"), "{path}");
    }
    // There is nothing to change.
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for part in ["", "state", "events"] {
            assert!(web.asks(&format!("{method} {path}{part}"), &host).0.starts_with("http/1.1 405"), "{method} {part}");
        }
    }
}

#[test]
fn looking_starts_no_engine_and_ends_with_the_bottle() {
    let mut web = Web::start();
    let state = |web: &Web| {
        let (_, body) = web.asks(&format!("GET {}state", web.place.1), &web.place.0);
        serde_json::from_str::<Value>(&body).expect("a document")
    };
    let shown = eventually("a first look", PATIENCE, || Some(state(&web)).filter(|shown| shown["hosts"].is_array()));
    let engine = |shown: &Value| {
        shown["hosts"].as_array().and_then(|hosts| hosts.iter().find(|host| host["name"] == "bench").map(|host| host["engine"].clone()))
    };
    assert_eq!(engine(&shown), Some(json!("waiting")));
    assert_eq!(shown["step"]["number"], 1, "{shown}");
    web.types("docker volume create of-the-page");
    let shown = eventually("the volume", PATIENCE, || Some(state(&web)).filter(|shown| shown["volumes"][0]["name"] == "of-the-page"));
    assert_eq!(engine(&shown), Some(json!("running")));
    // The journal and the engine are two sources: either may tell first.
    eventually("the volume's event", PATIENCE, || state(&web)["events"].to_string().contains("docker.volume.create").then_some(()));
    // Stopped, it stays stopped, however often somebody looks.
    web.types("systemctl stop docker 2> /dev/null");
    eventually("the engine's end", PATIENCE, || (engine(&state(&web)) == Some(json!("waiting"))).then_some(()));
    for look in ["one", "two", "three"] {
        web.types(&format!("echo look {look}"));
        // What shows the line was made after it.
        let shown = eventually("another look", PATIENCE, || {
            Some(state(&web)).filter(|shown| shown["events"].to_string().contains(&format!("look {look}")))
        });
        assert_eq!(engine(&shown), Some(json!("waiting")));
    }
    web.prompt.line(":quit");
    assert!(web.prompt.ends(PATIENCE).success());
    let ended = eventually("the server's end", PATIENCE, || web.server.try_wait().expect("wait for the server"));
    assert!(ended.success(), "{ended}");
    let refused = web.sandbox.bottleship(["web", "--listen", "0.0.0.0:0"]).exits(2);
    assert!(refused.stderr.contains("can be reached by other machines"), "{}", refused.stderr);
}

/// One browser for all: it takes longer to start than all that is looked at.
#[test]
fn in_a_browser_the_page_is_live_and_for_everybody() {
    let mut web = Web::start();
    let Some(mut page) = browse("web::in_a_browser_the_page_is_live_and_for_everybody", web.sandbox.path(), &web.address()) else { return };
    page.becomes("document.querySelector('#link')?.textContent === 'live' && !!document.querySelector('#hosts h3')", PATIENCE);
    shows_what_happens(&mut web, &mut page);
    can_be_heard(&mut page);
    can_be_used_without_a_mouse(&mut page);
    can_be_read(&mut page);
    can_be_paused(&mut web, &mut page);
    assert_eq!(page.complaints(), Vec::<String>::new(), "the browser complains of nothing");
}

fn shows_what_happens(web: &mut Web, page: &mut Page) {
    // The image is there before the clock runs.
    web.types("docker pull -q alpine");
    web.types("docker run -d --name 'of-the-page' -p 8080:80 alpine sleep 1000");
    page.becomes("document.querySelector('#containers .state')?.textContent === 'running'", SOON);
    let card = page.eval("document.querySelector('#containers li').innerText");
    for words in ["of-the-page", "running", "alpine", "bridge 172.", "8080 → 80/tcp"] {
        assert!(card.as_str().is_some_and(|card| card.contains(words)), "{words:?} is not in {card}");
    }
    page.becomes("document.querySelector('#said').textContent.includes('of-the-page running')", SOON);
    assert!(page.eval("document.querySelector('#step').innerText").as_str().is_some_and(|step| step.contains("step 1 of")));
    // The journal and the engine are two sources: either may tell first.
    page.becomes("document.querySelector('#events').innerText.includes('docker.container.start')", SOON);
    assert!(page.eval("document.querySelector('#networks').innerText").as_str().is_some_and(|networks| networks.contains("bridge")));
    web.types("docker rm -f of-the-page");
    page.becomes("document.querySelector('#containers').innerText === 'None.'", SOON);
    page.becomes("document.querySelector('#said').textContent.includes('container of-the-page is gone')", SOON);
}

/// What a screen reader finds: landmarks, headings in order, a name for every control, changes that are said politely.
fn can_be_heard(page: &mut Page) {
    let tree = page.call("Accessibility.getFullAXTree", &json!({}));
    let nodes: Vec<(String, String)> = tree["nodes"]
        .as_array()
        .expect("a tree")
        .iter()
        .filter(|node| node["ignored"] != true)
        .map(|node| {
            (node["role"]["value"].as_str().unwrap_or_default().to_owned(), node["name"]["value"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    let of = |role: &str| nodes.iter().filter(|(one, _)| one == role).map(|(_, name)| name.clone()).collect::<Vec<_>>();
    for landmark in ["main", "banner", "contentinfo"] {
        assert_eq!(of(landmark).len(), 1, "{landmark} in {nodes:?}");
    }
    for role in ["button", "combobox", "link", "region", "list"] {
        assert!(!of(role).is_empty(), "{role} in {nodes:?}");
    }
    for role in ["button", "combobox", "link", "region"] {
        assert!(of(role).iter().all(|name| !name.trim().is_empty()), "every {role} has a name: {:?}", of(role));
    }
    assert_eq!(of("combobox"), ["Show"]);
    let levels = page.eval("[...document.querySelectorAll('h1,h2,h3')].map(one => Number(one.tagName[1]))");
    let levels: Vec<u64> = levels.as_array().expect("a list").iter().filter_map(Value::as_u64).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{levels:?}");
    assert!(levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "no level is left out: {levels:?}");
    assert_eq!(page.eval("document.querySelector('#said').getAttribute('aria-live')"), "polite");
    assert_eq!(page.eval("document.documentElement.lang"), "en");
}

/// Tab goes through all that can be used, in the order of the page, and it is seen where one is.
fn can_be_used_without_a_mouse(page: &mut Page) {
    let mut order = Vec::new();
    for _ in 0..4 {
        page.key("Tab", 9);
        order.push(page.eval("document.activeElement.id || document.activeElement.className"));
        let outline = page.eval("(() => { const shown = getComputedStyle(document.activeElement); return [shown.outlineStyle, parseFloat(shown.outlineWidth)] })()");
        assert!(outline[0] != "none" && outline[1].as_f64() >= Some(2.0), "{order:?}: {outline}");
    }
    assert_eq!(order, ["skip", "pause", "which", "events"].map(Value::from));
    assert_eq!(
        page.eval("document.querySelector('.skip').getBoundingClientRect().left < 0"),
        true,
        "the way past the head shows only when it is reached"
    );
}

/// At the width of a phone, in the light and in the dark, without motion.
fn can_be_read(page: &mut Page) {
    page.call("Emulation.setDeviceMetricsOverride", &json!({ "width": 360, "height": 640, "deviceScaleFactor": 2, "mobile": true }));
    let width = page.eval("[document.documentElement.scrollWidth, innerWidth]");
    assert_eq!(width, json!([360, 360]), "nothing is wider than the screen");
    let small = page.eval("[...document.querySelectorAll('button, select')].filter(one => one.getBoundingClientRect().height < 44).length");
    assert_eq!(small, 0, "a finger hits every control");
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        let features =
            json!([{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }]);
        page.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
        let pale = page.eval(CONTRAST);
        assert_eq!(pale, json!([]), "{scheme}: text with a contrast below 4.5");
        assert_eq!(page.eval("document.getAnimations().length"), 0, "{scheme}");
        let moves = page.eval("(() => { const item = document.querySelector('#hosts li'); item.classList.add('new'); return getComputedStyle(item).animationName })()");
        assert_eq!(moves, "none", "{scheme}: who wants no motion gets none");
        grounds.push(page.eval("getComputedStyle(document.documentElement).backgroundColor"));
    }
    assert_ne!(grounds[0], grounds[1], "the dark is another ground");
    page.call("Emulation.clearDeviceMetricsOverride", &json!({}));
}

/// Every text whose contrast with what is behind it is below WCAG's 4.5 to 1: [text, ratio].
const CONTRAST: &str = "(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = rgb(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter((one) =>
    [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) && one.tagName !== 'SCRIPT' && one.tagName !== 'OPTION');
  if (texts.length < 15) return ['too few texts were looked at: ' + texts.length];
  return texts.map((one) => {
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(ground(one))].sort((one, other) => other - one);
    return [one.textContent.slice(0, 40), (a + 0.05) / (b + 0.05)];
  }).filter(([, ratio]) => ratio < 4.5);
})()";

fn can_be_paused(web: &mut Web, page: &mut Page) {
    page.eval("document.querySelector('#pause').focus()");
    page.key("Enter", 13);
    assert_eq!(page.eval("document.querySelector('#pause').getAttribute('aria-pressed')"), "true");
    web.types("docker volume create unseen");
    // What comes after it over the same stream has come: the page has had the volume too.
    web.types("docker volume create behind");
    page.becomes("waiting !== null && waiting.volumes.length === 2", PATIENCE);
    assert_eq!(page.eval("document.querySelector('#volumes').innerText"), "None.");
    page.key("Enter", 13);
    assert_eq!(page.eval("document.querySelectorAll('#volumes h3').length"), 2);
    // Only what was asked for.
    page.eval("document.querySelector('#which').value = 'you'; document.querySelector('#which').onchange()");
    let events = page.eval("document.querySelector('#events').innerText");
    assert!(
        events.as_str().is_some_and(|events| events.contains("docker volume create behind") && !events.contains("docker.volume")),
        "{events}"
    );
}
