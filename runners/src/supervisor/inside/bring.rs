//! The init container of a pod: puts the supervisor, the script and the input artifacts where main finds them.
//! Fetches nothing: what it places was mounted into it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::Error;
use crate::artifacts::unpack_tar;
use crate::beneath::{Beneath, Links};
use crate::error::Doing;
use crate::frames::{BUNDLE_FILE, BUNDLE_PATH};

/// Program header of an interpreter, which only dynamically linked programs have.
const PT_INTERP: u32 = 3;

/// Brings everything.
pub(super) fn bring(target: &str) -> Result<(), Error> {
    let copying = || format!("copy the supervisor to {target}");
    let own = std::fs::read("/proc/self/exe").doing(copying)?;
    if is_dynamic(&own) {
        return Err(Error::Invalid(
            "the executor image holds a runner that is linked dynamically and would not start in other images: \
             build it with `-C target-feature=+crt-static` or for a musl target"
                .to_owned(),
        ));
    }
    let target = Path::new(target);
    let unfinished = target.with_extension("part");
    let mut file = File::create(&unfinished).doing(copying)?;
    file.write_all(&own).doing(copying)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).doing(copying)?;
    drop(file);
    std::fs::rename(&unfinished, target).doing(copying)?;
    // Containers of a pod may run as different users, and tell each other here how they ended.
    let ended = target.with_file_name("ctr");
    std::fs::create_dir_all(&ended).doing(copying)?;
    std::fs::set_permissions(&ended, std::fs::Permissions::from_mode(0o777)).doing(copying)?;
    place(Path::new(BUNDLE_PATH), Path::new("/"))
}

/// Unpacks the bundle below `root`.
fn place(pieces: &Path, root: &Path) -> Result<(), Error> {
    let reading = || "read the inputs of the step".to_owned();
    let mut whole: Box<dyn Read> = Box::new(io::empty());
    let mut any = false;
    for number in 0.. {
        match File::open(pieces.join(number.to_string()).join(BUNDLE_FILE)) {
            Ok(piece) => whole = Box::new(whole.chain(piece)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error).doing(reading),
        }
        any = true;
    }
    if !any {
        return Ok(());
    }
    let root = Beneath::open(root, Links::InRoot).doing(reading)?;
    let mut bundle = tar::Archive::new(whole);
    for entry in bundle.entries().doing(reading)? {
        let entry = entry.doing(reading)?;
        let path = Path::new("/").join(entry.path().doing(reading)?);
        let size = entry.size();
        unpack_tar(GzDecoder::new(entry), size, &root, &path)?;
    }
    Ok(())
}

/// Whether a program needs a dynamic linker. What is no 64-bit ELF file does not.
fn is_dynamic(program: &[u8]) -> bool {
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = program.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte)))
    };
    if program.get(..5) != Some(b"\x7fELF\x02") {
        return false;
    }
    let (Some(table), Some(size), Some(count)) = (number(0x20, 8), number(0x36, 2), number(0x38, 2)) else {
        return false;
    };
    (0..count).any(|entry| number(table + entry * size, 4) == Some(PT_INTERP as usize))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::artifacts::pack_tar;

    #[test]
    fn a_bundle_in_pieces_is_placed() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("from/deep/er")).unwrap();
        std::fs::write(at("from/script"), "echo hi\n").unwrap();
        std::fs::set_permissions(at("from/script"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(at("from/deep/er/file"), "text").unwrap();
        let from = Beneath::open(&at("from"), Links::InRoot).unwrap();
        let mut bundle = tar::Builder::new(Vec::new());
        for (source, target) in [("/script", "argo/staging/script"), ("/deep", "argo/inputs/artifacts/x")] {
            let mut packed = Vec::new();
            pack_tar(&from, Path::new(source), 6, &mut packed).unwrap();
            let mut header = tar::Header::new_gnu();
            header.set_size(packed.len() as u64);
            header.set_mode(0o644);
            bundle.append_data(&mut header, target, packed.as_slice()).unwrap();
        }
        let bundle = bundle.into_inner().unwrap();
        let (one, two) = bundle.split_at(700);
        for (number, piece) in [one, two].into_iter().enumerate() {
            std::fs::create_dir_all(at("pieces").join(number.to_string())).unwrap();
            std::fs::write(at("pieces").join(number.to_string()).join(BUNDLE_FILE), piece).unwrap();
        }
        std::fs::create_dir(at("root")).unwrap();
        place(&at("pieces"), &at("root")).unwrap();
        assert_eq!(std::fs::read(at("root/argo/staging/script")).unwrap(), b"echo hi\n");
        let mode = std::fs::metadata(at("root/argo/staging/script")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(std::fs::read(at("root/argo/inputs/artifacts/x/er/file")).unwrap(), b"text");
        place(&at("nothing"), &at("root")).unwrap();
    }

    #[test]
    fn a_dynamically_linked_program_is_told_apart() {
        assert!(is_dynamic(&std::fs::read("/proc/self/exe").unwrap()), "tests are linked dynamically");
        assert!(!is_dynamic(b"#!/bin/sh\n"));
        assert!(!is_dynamic(b"\x7fELF\x02"));
    }
}
