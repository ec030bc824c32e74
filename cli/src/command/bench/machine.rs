//! What the benchmark ran on. Whatever a system does not tell is left out.

use std::fs;
use std::path::Path;

/// A machine, as far as it can be told.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Machine {
    /// Threads that can run at once.
    pub cores: usize,
    /// Name of the processor.
    pub cpu: Option<String>,
    /// Operating system and architecture.
    pub system: String,
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Directory of the files.
    pub dir: String,
    /// File system of the directory, and what it stands on.
    pub filesystem: Option<String>,
}

impl Machine {
    /// This machine, with its files in `dir`.
    pub fn here(dir: &Path) -> Self {
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu_name(&text)),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: kernel(),
            filesystem: filesystem(&mounts, &dir),
            dir: dir.display().to_string(),
        }
    }
}

fn cpu_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(unix)]
fn kernel() -> Option<String> {
    Some(rustix::system::uname().release().to_string_lossy().into_owned())
}

#[cfg(not(unix))]
fn kernel() -> Option<String> {
    None
}

/// The file system that `dir` is on, from Linux's list of mounts: kind and source.
fn filesystem(mounts: &str, dir: &Path) -> Option<String> {
    let mut best: Option<(usize, String)> = None;
    for line in mounts.lines() {
        let Some((place, source)) = line.split_once(" - ") else { continue };
        let Some(point) = place.split(' ').nth(4) else { continue };
        let point = point.replace("\\040", " ");
        let mut fields = source.split(' ');
        let (Some(kind), Some(device)) = (fields.next(), fields.next()) else { continue };
        // Of equal ones the last is in force: it was mounted over the others.
        if dir.starts_with(&point) && best.as_ref().is_none_or(|(len, _)| *len <= point.len()) {
            best = Some((point.len(), format!("{kind} on {device}")));
        }
    }
    best.map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /tmp rw - tmpfs tmpfs rw,size=1m
31 22 8:1 / /my\\040data rw shared:3 - xfs /dev/sda1 rw
";

    #[test]
    fn the_longest_mount_counts() {
        let on = |dir: &str| filesystem(MOUNTS, Path::new(dir));
        assert_eq!(on("/home/x").as_deref(), Some("ext4 on /dev/vda"));
        assert_eq!(on("/tmp/y").as_deref(), Some("tmpfs on tmpfs"));
        assert_eq!(on("/tmpfile").as_deref(), Some("ext4 on /dev/vda"));
        assert_eq!(on("/my data/z").as_deref(), Some("xfs on /dev/sda1"));
        assert_eq!(filesystem("", Path::new("/")), None);
    }

    #[test]
    fn the_processor_has_a_name() {
        assert_eq!(cpu_name("processor : 0\nmodel name\t: Fast CPU\n"), Some("Fast CPU".into()));
        assert_eq!(cpu_name("nothing"), None);
    }
}
