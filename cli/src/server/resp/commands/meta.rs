//! `COMMAND`: what the server tells of its commands.

use super::{Call, Outcome};
use crate::server::resp::glob;
use crate::server::resp::parser::Args;
use crate::server::resp::reply::{Reply, Trouble};
use crate::server::resp::spec::Spec;

/// `COMMAND [COUNT|DOCS|INFO|LIST|GETKEYS]`
pub fn command(call: &mut Call<'_>) -> Outcome {
    let sub = call.args.get(1).to_ascii_uppercase();
    let args = call.args;
    match sub.as_slice() {
        b"" => {
            call.out.array(call.commands.len());
            call.commands.iter().for_each(|spec| tell(call.out, spec));
        }
        b"COUNT" => call.out.size(call.commands.len()),
        b"LIST" => return list(call),
        b"INFO" if args.count() == 2 => {
            call.out.array(call.commands.len());
            call.commands.iter().for_each(|spec| tell(call.out, spec));
        }
        b"INFO" => {
            call.out.array(args.count() - 2);
            for name in args.from(2) {
                match call.command(name) {
                    Some(spec) => tell(call.out, spec),
                    None => call.out.null_array(),
                }
            }
        }
        b"DOCS" => docs(call),
        b"GETKEYS" => return get_keys(call),
        _ => return Err(Trouble::syntax()),
    }
    Ok(())
}

/// `COMMAND LIST [FILTERBY PATTERN pattern | ACLCAT category | MODULE name]`
fn list(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let word = args.get(4);
    // Names are in small letters, whatever asks for them.
    let pattern = word.to_ascii_lowercase();
    let takes = |spec: &&Spec| match args.count() {
        2 => true,
        _ if args.is(3, "PATTERN") => glob::matches(&pattern, spec.name.as_bytes()),
        _ if args.is(3, "ACLCAT") => word.eq_ignore_ascii_case(spec.group.as_bytes()),
        // There are no modules.
        _ => false,
    };
    let is_known = ["PATTERN", "ACLCAT", "MODULE"].iter().any(|kind| args.is(3, kind));
    if args.count() != 2 && !(args.count() == 5 && args.is(2, "FILTERBY") && is_known) {
        return Err(Trouble::syntax());
    }
    let found: Vec<&Spec> = call.commands.iter().filter(takes).collect();
    call.out.array(found.len());
    found.iter().for_each(|spec| call.out.bulk(spec.name.as_bytes()));
    Ok(())
}

/// `CLIENT HELP` and the like.
pub fn help(call: &mut Call<'_>) -> Outcome {
    let (name, all) = (call.spec.name.to_ascii_uppercase(), call.spec.subcommands());
    call.out.array(all.len() + 1);
    call.out.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    all.iter().for_each(|(sub, _)| call.out.simple(&sub.to_ascii_uppercase()));
    Ok(())
}

fn tell(out: &mut Reply, spec: &Spec) {
    let (first, last, step) = spec.keys;
    out.array(10);
    out.bulk(spec.name.as_bytes());
    out.int(spec.arity.into());
    let flags: Vec<_> = spec.flag_names().collect();
    out.set(flags.len());
    flags.iter().for_each(|flag| out.simple(flag));
    out.int(first.into());
    out.int(last.into());
    out.int(step.into());
    let category =
        format!("@{}", if spec.group == "connection" { "connection" } else { spec.group });
    out.set(1);
    out.simple(&category);
    out.array(0);
    out.array(0);
    out.array(0);
}

fn docs(call: &mut Call<'_>) {
    let args = call.args;
    let all: Vec<&Spec> = match args.count() {
        2 => call.commands.iter().collect(),
        _ => args.from(2).filter_map(|name| call.command(name)).collect(),
    };
    call.out.map(all.len());
    for spec in all {
        call.out.bulk(spec.name.as_bytes());
        call.out.map(3);
        for (name, text) in
            [("summary", spec.summary), ("since", spec.since), ("group", spec.group)]
        {
            call.out.bulk(name.as_bytes());
            call.out.bulk(text.as_bytes());
        }
    }
}

fn get_keys(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let Some(spec) = call.command(args.get(2)) else {
        return Err(Trouble::err("Invalid command specified"));
    };
    if !spec.takes(args.count() - 2) {
        return Err(Trouble::err("Invalid number of arguments specified for command"));
    }
    let places = key_places(spec, args, 2);
    if places.is_empty() {
        return Err(Trouble::err("The command has no key arguments"));
    }
    call.out.array(places.len());
    for place in places {
        call.out.bulk(args.get(place));
    }
    Ok(())
}

/// The places of a command's keys among words that begin with so many of another command.
fn key_places(spec: &Spec, args: Args<'_>, skip: usize) -> Vec<usize> {
    let (first, last, step) = spec.keys;
    let count = args.count() - skip;
    let (Ok(first), Ok(step)) = (usize::try_from(first), usize::try_from(step)) else {
        return Vec::new();
    };
    if first == 0 || step == 0 {
        return Vec::new();
    }
    let last = usize::try_from(last).unwrap_or_else(|_| count.saturating_sub(1));
    (first..=last.min(count - 1)).step_by(step).map(|place| place + skip).collect()
}
