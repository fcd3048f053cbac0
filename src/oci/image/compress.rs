//! Compressed layers: gzip, zstd, or nothing.
//!
//! Which it is, is told by the first bytes and not by the media type: Docker's layers were called gzip and have been anything. Nothing is handed to a
//! program outside: a container's own `unpigz` must never run on our side (CVE-2026-41567).

use std::io::{self, BufRead, BufReader, Read, Write};

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// The size of the window that a zstd stream may ask for: 2^27 bytes, as every engine allows.
const ZSTD_WINDOW: u32 = 27;

impl Compression {
    /// What the first bytes say.
    pub fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // A frame, or a skippable frame before it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// Reads what a layer holds, whatever it is packed with. Several gzip members or zstd frames in a row are one stream.
///
/// # Errors
/// The first bytes cannot be read.
pub fn decoder<'a>(reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut reader = BufReader::with_capacity(128 << 10, reader);
    Ok(match Compression::of(reader.fill_buf()?) {
        Compression::None => Box::new(reader),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
    })
}

/// A writer that must be ended, so that its last bytes are written and their errors seen.
pub enum Encoder<W: Write> {
    /// As it is.
    None(W),
    /// In gzip. Header without name and time, so that equal content gives equal bytes.
    Gzip(flate2::write::GzEncoder<W>),
    /// In zstd.
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// Compresses what is written to `writer`.
    ///
    /// # Errors
    /// The encoder cannot be made.
    pub fn new(compression: Compression, writer: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Encoder::None(writer),
            Compression::Gzip => Encoder::Gzip(flate2::GzBuilder::new().write(writer, flate2::Compression::new(6))),
            Compression::Zstd => Encoder::Zstd(zstd::stream::write::Encoder::new(writer, 3)?),
        })
    }

    /// Writes the end and gives the inner writer back.
    ///
    /// # Errors
    /// Those of the inner writer.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Encoder::None(writer) => Ok(writer),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Encoder::None(writer) => writer.write(bytes),
            Encoder::Gzip(encoder) => encoder.write(bytes),
            Encoder::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::None(writer) => writer.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(compression: Compression, content: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(compression, Vec::new()).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        decoder(bytes)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn every_kind_is_known_by_its_bytes() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let bytes = packed(compression, b"content of a layer");
            assert_eq!(Compression::of(&bytes), compression);
            assert_eq!(read(&bytes).unwrap(), b"content of a layer");
            let twice = [packed(compression, b"one "), packed(compression, b"two")].concat();
            assert_eq!(read(&twice).unwrap(), b"one two");
        }
        assert_eq!(read(b"").unwrap(), b"");
    }

    #[test]
    fn cut_and_corrupt_streams_are_errors() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let content: Vec<u8> = (0..100_000_u32).map(|number| (number.wrapping_mul(number) >> 3) as u8).collect();
            let mut bytes = packed(compression, &content);
            assert!(read(&bytes[..bytes.len() - 3]).is_err(), "{compression:?} cut");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
            assert_ne!(read(&bytes).ok(), Some(content), "{compression:?} corrupt");
        }
    }

    #[test]
    fn equal_content_gives_equal_bytes() {
        assert_eq!(packed(Compression::Gzip, b"same"), packed(Compression::Gzip, b"same"));
    }
}
