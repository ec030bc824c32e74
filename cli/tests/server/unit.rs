//! The example of a systemd unit.

use std::path::Path;
use std::process::Command;

use crate::silt::{BINARY, Silt};

const UNIT: &str = include_str!("../../docs/silt.service");

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let mut section = "";
    for line in UNIT.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            continue;
        }
        let (name, _) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "{line}");
        assert!(["Unit", "Service", "Install"].contains(&section), "{line}");
    }
    let verify = Path::new("/usr/bin/systemd-analyze");
    if !verify.exists() {
        return;
    }
    let silt = Silt::new();
    let unit = silt.file("silt.service", UNIT.replace("/usr/local/bin/silt", BINARY));
    let output = Command::new(verify).args(["verify", &unit]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !told.contains("silt.service:"), "{told}");
}

#[test]
fn the_command_of_the_unit_is_one_that_silt_takes() {
    let command = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    arguments.push("--help");
    Silt::new().ok(&arguments);
}
