//! Blobs: content under its digest.
//!
//! Content arrives in `ingest/`, is hashed on the way, and gets its name only when length and digest are right and the disk has it. Two
//! who bring the same content do not disturb each other: the file of `ingest/` is locked, the second waits and finds the blob done. A
//! transfer that broke off is resumed where it stopped.

use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use super::error::{Error, Result};
use super::spec::Descriptor;
use super::store::Store;
use crate::kernel::fs::File;
use crate::kernel::{fs, lock};
use crate::oci::digest::{Algorithm, Digest, Hashed, Hasher};

/// The size of the pieces in which content is moved, in bytes.
const PIECE: usize = 128 << 10;

/// Content that is arriving. Dropped before [`Ingest::commit`], what came stays for the next attempt.
pub struct Ingest {
    file: File,
    path: PathBuf,
    target: PathBuf,
    expected: Option<Digest>,
    /// The length that was promised; more is refused as soon as it comes.
    limit: u64,
    hasher: Hasher,
    written: u64,
}

impl Store {
    /// Whether the content is there, whole.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// The file of a blob. What reads it by the path trusts the store: see [`Store::read_blob`].
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder().join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// Opens a blob for reading, unverified: for those who hash it themselves.
    ///
    /// # Errors
    /// It is not there.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        match fs::open_read(&self.blob_path(digest)) {
            Err(error) if error.errno == crate::kernel::error::Errno::ENOENT => Err(Error::NoSuchBlob(digest.clone())),
            other => other.map_err(Error::at(format!("open the blob {digest}"))),
        }
    }

    /// Reads a document of at most `limit` bytes and verifies its digest.
    ///
    /// # Errors
    /// It is not there, too large, or damaged.
    pub fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let doing = || format!("read the blob {digest}");
        let mut reader = Hashed::new(self.open_blob(digest)?.take(limit + 1), digest.algorithm());
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(Error::reading(doing()))?;
        if content.len() as u64 > limit {
            return Err(Error::TooLarge { what: format!("the blob {digest}"), limit: format!("{limit} bytes") });
        }
        verify(&format!("the blob {digest}"), digest, reader.finish().0)?;
        Ok(content)
    }

    /// The length of a blob in bytes.
    ///
    /// # Errors
    /// It is not there.
    pub fn blob_size(&self, digest: &Digest) -> Result<u64> {
        fs::length(&self.blob_path(digest)).map_err(|_| Error::NoSuchBlob(digest.clone()))
    }

    /// Writes a document, and gives its descriptor.
    ///
    /// # Errors
    /// The disk is full, or the store cannot be written.
    pub fn put_blob(&self, media_type: &str, content: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, content);
        if let Some(mut ingest) = self.ingest(&descriptor)? {
            ingest.restart()?;
            ingest.write(content)?;
            ingest.commit()?;
        }
        Ok(descriptor)
    }

    /// Begins or resumes the arrival of known content; `None` if it is there already. Waits while somebody else brings the same.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn ingest(&self, descriptor: &Descriptor) -> Result<Option<Ingest>> {
        let digest = &descriptor.digest;
        let path = self.path("ingest").join(format!("{}-{}", digest.algorithm().name(), digest.hex()));
        loop {
            if self.has(digest) {
                return Ok(None);
            }
            let at = || Error::at(format!("take in {digest}"));
            let file = lock::take(&path).map_err(at())?;
            // Whoever had the lock before may have finished: then our file is the blob itself, or removed.
            if !fs::is_at(&file, &path).map_err(at())? {
                continue;
            }
            // It was finished between our look and the lock, whose file is a new one then.
            if self.has(digest) {
                fs::remove_file(&path).map_err(at())?;
                return Ok(None);
            }
            let mut ingest = Ingest {
                file,
                path,
                target: self.blob_path(digest),
                expected: Some(digest.clone()),
                limit: descriptor.size,
                hasher: Hasher::new(digest.algorithm()),
                written: 0,
            };
            ingest.take_up()?;
            return Ok(Some(ingest));
        }
    }

    /// Begins the arrival of content whose digest is not known yet: a layer that is being made. At most `limit` bytes.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn ingest_new(&self, limit: u64) -> Result<Ingest> {
        let at = || Error::at("take in new content");
        let path = fs::unique(&self.path("ingest"), "new-").map_err(at())?;
        let file = lock::take(&path).map_err(at())?;
        let target = self.path("blobs");
        Ok(Ingest { file, path, target, expected: None, limit, hasher: Hasher::new(Algorithm::Sha256), written: 0 })
    }

    /// All blobs, sorted.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn blobs(&self) -> Result<Vec<Digest>> {
        let mut all = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let names = fs::list(&self.path("blobs").join(algorithm)).map_err(Error::at("list the blobs"))?;
            all.extend(names.iter().filter_map(|name| format!("{algorithm}:{name}").parse::<Digest>().ok()));
        }
        Ok(all)
    }
}

impl Ingest {
    /// How many bytes are there, those of an earlier attempt among them.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// It is more than was promised, or the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.written + bytes.len() as u64 > self.limit {
            return Err(Error::TooLarge { what: self.shown(), limit: format!("{} bytes, as its descriptor promised", self.limit) });
        }
        self.file.write_all(bytes).map_err(Error::reading(format!("write {}", self.shown())))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Takes all that `reader` gives, and tells `progress` how many bytes there are after each piece.
    ///
    /// # Errors
    /// As [`Ingest::write`], or the reader failed.
    pub fn copy(&mut self, reader: &mut dyn Read, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = match reader.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::reading(format!("receive {}", self.shown()))(error)),
            };
            self.write(&piece[..count])?;
            progress(self.written);
        }
    }

    /// Forgets what came so far.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub fn restart(&mut self) -> Result<()> {
        let cut = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cut.map_err(Error::reading(format!("begin {} anew", self.shown())))?;
        let algorithm = self.expected.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        (self.hasher, self.written) = (Hasher::new(algorithm), 0);
        Ok(())
    }

    /// As [`Ingest::commit`] for content that was begun without a digest, once somebody says which it should have.
    ///
    /// # Errors
    /// It has another: then it is thrown away.
    pub fn commit_as(mut self, digest: &Digest) -> Result<()> {
        if digest.algorithm() != Algorithm::Sha256 {
            self.rehash(digest.algorithm())?;
        }
        (self.expected, self.limit) = (Some(digest.clone()), self.written);
        self.target = self.target.join(digest.algorithm().name()).join(digest.hex());
        self.commit().map(drop)
    }

    /// Throws away what came.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn abandon(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(Error::at(format!("throw away {}", self.shown())))
    }

    /// Hashes what is there by another function.
    fn rehash(&mut self, algorithm: Algorithm) -> Result<()> {
        let shown = self.shown();
        let doing = || format!("read {shown}");
        self.file.seek(SeekFrom::Start(0)).map_err(Error::reading(doing()))?;
        let mut hashed = Hashed::new(&self.file, algorithm);
        std::io::copy(&mut hashed, &mut std::io::sink()).map_err(Error::reading(doing()))?;
        self.hasher = hashed.into_hasher();
        Ok(())
    }

    /// Gives the content its name: digest and length in bytes. Damaged content is thrown away.
    ///
    /// # Errors
    /// Length or digest are not those that were promised; or the disk failed.
    pub fn commit(self) -> Result<(Digest, u64)> {
        let found = self.hasher.clone().finish();
        let shown = self.shown();
        let at = || Error::at(format!("store {shown}"));
        if let Some(expected) = &self.expected {
            let short = self.written < self.limit;
            if let Err(error) = verify(&shown, expected, found.clone()) {
                // What broke off may be resumed, what is wrong may not.
                if !short {
                    fs::remove_file(&self.path).map_err(at())?;
                }
                let why = format!("it ends after {} of {} bytes", self.written, self.limit);
                return Err(if short { Error::invalid(&shown, why) } else { error });
            }
        }
        let target =
            if self.expected.is_some() { self.target.clone() } else { self.target.join(found.algorithm().name()).join(found.hex()) };
        fs::publish(&self.file, &self.path, &target).map_err(at())?;
        Ok((found, self.written))
    }

    /// Hashes what an earlier attempt left, and goes on behind it.
    fn take_up(&mut self) -> Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = self.file.read(&mut piece).map_err(Error::reading(format!("resume {}", self.shown())))?;
            if count == 0 {
                break;
            }
            self.hasher.update(&piece[..count]);
            self.written += count as u64;
        }
        // Somebody promised another length for the same digest: one of them lied.
        if self.written > self.limit { self.restart() } else { Ok(()) }
    }

    fn shown(&self) -> String {
        self.expected.as_ref().map_or_else(|| "new content".to_owned(), |digest| format!("the blob {digest}"))
    }
}

impl std::io::Write for Ingest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ingest::write(self, bytes).map_err(Error::into_io)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether the digest that was found is the one that was asked for.
pub(super) fn verify(what: &str, expected: &Digest, found: Digest) -> Result<()> {
    if *expected == found { Ok(()) } else { Err(Error::Damaged { what: what.to_owned(), expected: expected.clone(), found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::image::spec::media;

    fn store() -> (tempfile::TempDir, Store) {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        (place, store)
    }

    #[test]
    fn a_transfer_that_broke_off_goes_on() {
        let (_place, store) = store();
        let descriptor = Descriptor::of(media::LAYER, b"hello world");
        let mut first = store.ingest(&descriptor).unwrap().unwrap();
        first.write(b"hello ").unwrap();
        assert!(!store.has(&descriptor.digest));
        drop(first);
        let mut second = store.ingest(&descriptor).unwrap().unwrap();
        assert_eq!(second.written, 6);
        second.copy(&mut &b"world"[..], &mut |_| {}).unwrap();
        second.commit().unwrap();
        assert_eq!(store.read_blob(&descriptor.digest, 100).unwrap(), b"hello world");
        assert!(store.ingest(&descriptor).unwrap().is_none());
    }

    #[test]
    fn lies_about_length_and_content_are_found() {
        let (_place, store) = store();
        let descriptor = Descriptor::of(media::LAYER, b"hello");
        let mut long = store.ingest(&descriptor).unwrap().unwrap();
        assert!(matches!(long.write(b"hello!"), Err(Error::TooLarge { .. })));
        drop(long);
        let mut wrong = store.ingest(&descriptor).unwrap().unwrap();
        wrong.write(b"jello").unwrap();
        assert!(matches!(wrong.commit(), Err(Error::Damaged { .. })));
        // The wrong bytes are gone: the next attempt begins anew.
        let mut short = store.ingest(&descriptor).unwrap().unwrap();
        assert_eq!(short.written, 0);
        short.write(b"hel").unwrap();
        assert!(short.commit().unwrap_err().to_string().contains("ends after 3 of 5 bytes"));
        assert_eq!(store.ingest(&descriptor).unwrap().unwrap().written, 3);
    }

    #[test]
    fn damage_on_the_disk_is_noticed() {
        let (_place, store) = store();
        let descriptor = store.put_blob(media::CONFIG, b"{}").unwrap();
        // Blobs are read-only: a disk that fails asks nobody, we put another file in the place.
        std::fs::remove_file(store.blob_path(&descriptor.digest)).unwrap();
        std::fs::write(store.blob_path(&descriptor.digest), "[]").unwrap();
        assert!(matches!(store.read_blob(&descriptor.digest, 100), Err(Error::Damaged { .. })));
        assert!(matches!(store.read_blob(&Digest::of(b"none"), 100), Err(Error::NoSuchBlob(_))));
    }

    #[test]
    fn two_who_bring_the_same_do_the_work_once() {
        let (_place, store) = store();
        let content = vec![3; 300_000];
        let descriptor = Descriptor::of(media::LAYER, &content);
        let mut first = store.ingest(&descriptor).unwrap().unwrap();
        let waiting = std::thread::spawn({
            let (store, descriptor) = (store.clone(), descriptor.clone());
            move || store.ingest(&descriptor).map(|ingest| ingest.is_none())
        });
        first.copy(&mut &content[..], &mut |_| {}).unwrap();
        first.commit().unwrap();
        assert!(waiting.join().unwrap().unwrap(), "the second finds it done");
    }
}
