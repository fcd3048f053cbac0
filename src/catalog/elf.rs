//! Executables as the kernel and the loader read them (elf(5)): what a program needs besides itself, and how much of its file is ever loaded.

use std::path::PathBuf;

/// The start of every ELF file.
const MAGIC: &[u8] = b"\x7fELF";
/// Program headers: a segment that is loaded, the list of the loader, the path of the loader.
const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
/// Entries of the loader's list: a library by its name, the table of names, the folders to look in first.
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// A 64-bit little-endian executable or library; others are not read.
pub struct Elf<'a> {
    bytes: &'a [u8],
    segments: Vec<Segment>,
}

struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

impl<'a> Elf<'a> {
    /// Reads the headers; `None` if it is no such file, or broken.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let is_64_little = bytes.get(4..6)? == [2, 1];
        if !bytes.starts_with(MAGIC) || !is_64_little {
            return None;
        }
        let (table, size, count) = (number(bytes, 32, 8)?, number(bytes, 54, 2)?, number(bytes, 56, 2)?);
        let segment = |index: u64| {
            let at = table.checked_add(index * size)?;
            let field = |offset: u64, length| number(bytes, at.checked_add(offset)?, length);
            Some(Segment { kind: field(0, 4)?, offset: field(8, 8)?, address: field(16, 8)?, size: field(32, 8)? })
        };
        let segments = (0..count).map(segment).collect::<Option<Vec<Segment>>>()?;
        Some(Elf { bytes, segments })
    }

    /// The loader that the kernel starts in its place; a static executable has none.
    pub fn interpreter(&self) -> Option<PathBuf> {
        let segment = self.segments.iter().find(|segment| segment.kind == PT_INTERP)?;
        let path = part(self.bytes, segment.offset, segment.size)?;
        Some(PathBuf::from(text(path)?))
    }

    /// The libraries that the loader will look for, by name.
    pub fn needed(&self) -> Vec<String> {
        self.dynamic_texts(&[DT_NEEDED])
    }

    /// The folders that the loader looks in first, as they are written: `$ORIGIN` is not replaced.
    pub fn run_paths(&self) -> Vec<String> {
        let lists = self.dynamic_texts(&[DT_RPATH, DT_RUNPATH]);
        lists.iter().flat_map(|list| list.split(':')).map(str::to_owned).collect()
    }

    /// How many bytes of the file are ever loaded: behind them are names for debuggers and the table of sections, and a program runs without them. The
    /// headers are enough to tell.
    pub fn loaded(&self) -> Option<u64> {
        let segments = self.segments.iter().filter(|segment| segment.kind == PT_LOAD);
        segments.filter_map(|segment| segment.offset.checked_add(segment.size)).max()
    }

    /// The beginning of the file, as it is when the table of sections is cut off. With [`Elf::loaded`] this is what `strip` aims at.
    pub fn without_sections(&self) -> Option<Vec<u8>> {
        let mut head = self.bytes.to_vec();
        // e_shoff, then e_shnum and e_shstrndx.
        head.get_mut(40..48)?.fill(0);
        head.get_mut(60..64)?.fill(0);
        Some(head)
    }

    fn dynamic_texts(&self, wanted: &[u64]) -> Vec<String> {
        let Some(dynamic) = self.segments.iter().find(|segment| segment.kind == PT_DYNAMIC) else { return Vec::new() };
        let entries = part(self.bytes, dynamic.offset, dynamic.size).unwrap_or_default();
        let pairs: Vec<(u64, u64)> = entries.chunks_exact(16).filter_map(|pair| Some((number(pair, 0, 8)?, number(pair, 8, 8)?))).collect();
        let names = pairs.iter().find(|(tag, _)| *tag == DT_STRTAB).and_then(|(_, address)| self.offset_of(*address));
        let name = |value: u64| text(self.bytes.get(usize::try_from(names?.checked_add(value)?).ok()?..)?);
        pairs.iter().filter(|(tag, _)| wanted.contains(tag)).filter_map(|(_, value)| name(*value)).collect()
    }

    /// Where in the file an address of the loaded program lies.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let holds = |segment: &&Segment| segment.kind == PT_LOAD && address.wrapping_sub(segment.address) < segment.size;
        let segment = self.segments.iter().find(holds)?;
        Some(address - segment.address + segment.offset)
    }
}

fn part(bytes: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
}

fn number(bytes: &[u8], offset: u64, length: u64) -> Option<u64> {
    let mut whole = [0; 8];
    let field = part(bytes, offset, length)?;
    whole[..field.len()].copy_from_slice(field);
    Some(u64::from_le_bytes(whole))
}

/// Text up to its zero byte.
fn text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    String::from_utf8(bytes[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_program_needs_nobody() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let elf = Elf::read(&bytes).unwrap();
        assert_eq!(elf.needed(), Vec::<String>::new());
        let kept = usize::try_from(elf.loaded().unwrap()).unwrap();
        assert!(kept <= bytes.len());
        let head = elf.without_sections().unwrap();
        assert!(Elf::read(&head[..kept]).unwrap().interpreter() == elf.interpreter());
        // The headers alone say the same.
        assert_eq!(Elf::read(&bytes[..4096]).unwrap().loaded(), elf.loaded());
    }

    #[test]
    fn a_dynamic_program_names_loader_and_libraries() {
        let Ok(bytes) = std::fs::read("/bin/bash") else { return eprintln!("skipped: no /bin/bash here") };
        let elf = Elf::read(&bytes).unwrap();
        if let Some(loader) = elf.interpreter() {
            assert!(loader.exists(), "{loader:?}");
            assert!(elf.needed().iter().any(|name| name.starts_with("libc.")), "{:?}", elf.needed());
        }
    }

    #[test]
    fn broken_files_are_refused_without_a_panic() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        for length in [0, 3, 5, 40, 63, 64, 100] {
            if let Some(elf) = Elf::read(&bytes[..length]) {
                assert!(elf.loaded().is_none() && elf.needed().is_empty(), "{length}");
            }
        }
        let mut huge = bytes[..64].to_vec();
        huge[32..40].fill(0xff);
        assert!(Elf::read(&huge).is_none());
    }
}
