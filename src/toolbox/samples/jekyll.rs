//! `jekyll serve` of the course's `bretfisher/jekyll-serve`: a site of Markdown files, made anew for every request.
//!
//! The course mounts a folder over `/site`, edits a post and reloads the page. That much is here: `_config.yml` with a title, posts in
//! `_posts/YEAR-MONTH-DAY-name.md` with front matter, pages beside them, all other files as they are. No themes, no Liquid, no plugins: the page says so.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Manner, serve};
use crate::kernel::root::Root;
use crate::toolbox::failure::Failure;
use crate::toolbox::http::{Request, Response, files};

/// Where the site lies, in the image.
const SITE: &str = "/site";
/// A page longer than this is not made, in bytes.
const LONGEST: u64 = 1 << 20;

/// A Markdown file: its title, and the HTML of its text.
struct Page {
    title: String,
    body: String,
}

/// `jekyll serve [--port N]`: serves the site in `/site`, or the current folder where there is none.
pub fn run(args: &[String], out: &mut dyn Write) -> Result<u8, Failure> {
    let port = args.iter().position(|arg| arg == "--port" || arg == "-P").and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(4000);
    let site = if Path::new(SITE).is_dir() { PathBuf::from(SITE) } else { std::env::current_dir()? };
    writeln!(
        out,
        "            Source: {}\n    Server address: http://0.0.0.0:{port}/\n  Server running... press ctrl-c to stop.",
        site.display()
    )?;
    out.flush()?;
    serve(port, Manner::OnInterrupt, Arc::new(move |request: &Request| answer(&site, request)))
}

fn answer(site: &Path, request: &Request) -> Response {
    let path = request.path();
    let page = |title: &str, body: &str| Response::new(200, "text/html; charset=utf-8", framed(site, title, body));
    if path == "/" {
        return match read(site, "index.md") {
            Some(index) => page(&index.title, &(index.body + &list(site))),
            None => page(&title(site), &list(site)),
        };
    }
    let name = path.trim_matches('/').trim_end_matches(".html");
    if let Some(post) = posts(site).into_iter().find(|post| post_address(post) == path) {
        return read(site, &post).map_or_else(missing, |post| page(&post.title, &post.body));
    }
    // A name that leads out of the site, or into what Jekyll keeps for itself, is nobody's page.
    let private = name.split('/').any(|part| part.starts_with(['_', '.']));
    if !private && let Some(found) = read(site, &format!("{name}.md")) {
        return page(&found.title, &found.body);
    }
    match files::find(site, &path, &["index.html".to_owned()], request) {
        files::Found::File(response) if !private => response,
        _ => missing(),
    }
}

fn missing() -> Response {
    Response::new(404, "text/html; charset=utf-8", "<h1>404</h1>\n<p>Page not found.</p>\n")
}

/// The posts by their paths in the site, newest first: their names begin with the day.
fn posts(site: &Path) -> Vec<String> {
    let entries = Root::open(site).and_then(|root| root.entries(Path::new("_posts"))).unwrap_or_default();
    let is_post = |name: &String| name.ends_with(".md") || name.ends_with(".markdown");
    let mut all: Vec<String> = entries.into_iter().map(|(name, ..)| name).filter(is_post).map(|name| format!("_posts/{name}")).collect();
    all.sort();
    all.reverse();
    all
}

/// `/2017/06/15/welcome.html` for `2017-06-15-welcome.md`.
fn post_address(post: &str) -> String {
    let name = stem(post);
    let mut parts = name.splitn(4, '-');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(year), Some(month), Some(day), Some(rest)) => format!("/{year}/{month}/{day}/{rest}.html"),
        _ => format!("/{name}.html"),
    }
}

/// A name without its folders and its ending.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn list(site: &Path) -> String {
    let line = |path: &String| {
        let title = read(site, path).map(|post| post.title).unwrap_or_default();
        format!("<li><a href=\"{}\">{}</a></li>\n", escaped(&post_address(path)), escaped(&title))
    };
    format!("<h2>Posts</h2>\n<ul>\n{}</ul>\n", posts(site).iter().map(line).collect::<String>())
}

/// A Markdown file with its front matter, if there is one at the path and it is no longer than a page. No link leads out of the site.
fn read(site: &Path, inner: &str) -> Option<Page> {
    let file = File::from(Root::open(site).ok()?.to_read(Path::new(inner)).ok()?);
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).ok().filter(|length| *length as u64 <= LONGEST)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, text) = text.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---")).unwrap_or(("", &text));
    let mut body = String::new();
    pulldown_cmark::html::push_html(&mut body, pulldown_cmark::Parser::new(text.trim_start_matches('-')));
    Some(Page { title: field(head, "title").unwrap_or_else(|| stem(inner).to_owned()), body })
}

/// The value of `name: value`, in quotes or not.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
}

fn title(site: &Path) -> String {
    let config = Root::open(site).and_then(|root| root.read(Path::new("_config.yml"))).ok();
    config
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .and_then(|text| field(&text, "title"))
        .unwrap_or_else(|| "A site".to_owned())
}

fn framed(site: &Path, heading: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{0}</title></head>\n<body>\n<h1>{1}</h1>\n{body}\
         <footer><small>Served by Bottleship in Jekyll's place: no theme, no Liquid.</small></footer>\n</body></html>\n",
        escaped(&title(site)),
        escaped(heading)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn site() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("_posts")).unwrap();
        fs::write(place.path().join("_config.yml"), "title: \"My <site>\"\nemail: x\n").unwrap();
        fs::write(place.path().join("_posts/2017-06-15-welcome.md"), "---\ntitle: Welcome & go\n---\nHello *you*\n").unwrap();
        fs::write(place.path().join("about.md"), "# About\n").unwrap();
        fs::write(place.path().join("style.css"), "body {}").unwrap();
        place
    }

    fn get(site: &Path, target: &str) -> (u16, String) {
        let peer = ([127, 0, 0, 1], 1).into();
        let (method, target, version) = ("GET".to_owned(), target.to_owned(), "HTTP/1.1".to_owned());
        let response = answer(site, &Request { method, target, version, headers: Vec::new(), body: Vec::new(), peer });
        (response.status, String::from_utf8_lossy(&response.body).into_owned())
    }

    #[test]
    fn a_site_is_made_of_its_files_as_they_are_now() {
        let place = site();
        let index = get(place.path(), "/").1;
        assert!(
            index.contains("<title>My &lt;site&gt;</title>") && index.contains("/2017/06/15/welcome.html\">Welcome &amp; go</a>"),
            "{index}"
        );
        assert!(get(place.path(), "/2017/06/15/welcome.html").1.contains("Hello <em>you</em>"));
        fs::write(place.path().join("_posts/2017-06-15-welcome.md"), "changed").unwrap();
        assert!(get(place.path(), "/2017/06/15/welcome.html").1.contains("<p>changed</p>"));
        assert!(get(place.path(), "/about.html").1.contains("About"));
        assert_eq!(get(place.path(), "/style.css"), (200, "body {}".to_owned()));
    }

    #[test]
    fn nothing_outside_and_nothing_private_is_shown() {
        let place = site();
        fs::write(place.path().parent().unwrap().join("outside.md"), "secret").ok();
        for target in ["/../outside", "/%2e%2e/outside", "/_posts/2017-06-15-welcome.md", "/_config.yml", "/nothing"] {
            assert_eq!(get(place.path(), target).0, 404, "{target}");
        }
    }
}
