//! Getting what is whole out of a store that is damaged, whatever its log looks like.
//!
//! Apart from all that reads a store in order, because it trusts none of that: the files are searched
//! for frames ([`crate::frame`]), the newest of each record counts, and out of those a new store is
//! written. Where the newest is lost, an older one may have been found: it is what the record was once. Codes and graphs are copies, and are made anew from the vectors.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::folder::{self, Found};
use crate::frame;
use crate::held::storing;
use crate::holder::{LOCK_PAUSE, LOCK_RETRIES, Lock, note};
use crate::local::{Local, Storing};
use crate::rewrite::{ABOUT, Filling, write_anew};
use crate::seal;
use crate::space::Recovered;

/// What [`Database::repair`](crate::Database::repair) found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// Records that are in the store now, in all tables and spaces.
    pub records: usize,
    /// Entries with their vectors that are in the store now.
    pub entries: usize,
    /// Keys of entries that were found and not all of their vectors, by the fingerprint of the space.
    pub lost: Vec<(String, Vec<u8>)>,
    /// By how many entries the spaces counted more than were found, where their counts were found.
    pub missing: u64,
    /// Places in the files that begin like a record and are none any more.
    pub broken: usize,
    /// Where the store before lies now.
    pub kept: Option<PathBuf>,
}

/// Locks a folder that has a store.
pub(crate) fn lock(dir: &Path) -> Result<Lock> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    if folder::look(dir).map_err(failed)? == Found::Nothing {
        return Err(Error::Missing {
            path: dir.to_path_buf(),
        });
    }
    for retry in 0..=LOCK_RETRIES {
        if retry > 0 {
            std::thread::sleep(LOCK_PAUSE);
        }
        if let Some(mut lock) = Lock::take(dir)? {
            lock.announce(None);
            return Ok(lock);
        }
    }
    Err(Error::Locked {
        path: dir.to_path_buf(),
        holder: note(dir).map(|(holder, _)| holder),
    })
}

/// The newest version of each record, by tree and key.
#[derive(Default)]
struct Carved {
    trees: BTreeMap<String, HashMap<Vec<u8>, Version>>,
    broken: usize,
}

struct Version {
    sequence: u64,
    value: Option<Vec<u8>>,
}

impl Carved {
    fn take(&mut self, bytes: &[u8]) {
        let (trees, broken) = (&mut self.trees, &mut self.broken);
        let mut found = |frame: frame::Found<'_>| {
            if !trees.contains_key(frame.tree) {
                trees.insert(frame.tree.to_owned(), HashMap::new());
            }
            let Some(records) = trees.get_mut(frame.tree) else {
                return;
            };
            let newer = records
                .get(frame.key)
                .is_none_or(|version| version.sequence < frame.sequence);
            if newer {
                let version = Version {
                    sequence: frame.sequence,
                    value: frame.value.map(<[u8]>::to_vec),
                };
                records.insert(frame.key.to_vec(), version);
            }
        };
        frame::carve(bytes, &mut found, &mut |_| *broken += 1);
    }

    /// What sled can read of a store of bare records.
    fn read(&mut self, store: &Local) -> Result<()> {
        for name in store.names() {
            let mut records = HashMap::new();
            for record in store.tree(&name, Storing::Plain)?.iter() {
                let Ok((key, value)) = record else {
                    self.broken += 1;
                    break;
                };
                let value = Some(value);
                records.insert(key, Version { sequence: 0, value });
            }
            self.trees.insert(name, records);
        }
        Ok(())
    }

    /// The live records of a tree, in order.
    fn live(&mut self, tree: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let records = self.trees.remove(tree).unwrap_or_default();
        let live = records.into_iter();
        live.filter_map(|(key, version)| Some((key, version.value?)))
            .collect()
    }
}

pub(crate) fn repair(dir: &Path) -> Result<Repaired> {
    let failed = |source| Error::Storage {
        path: dir.to_path_buf(),
        source,
    };
    let before = folder::look(dir).map_err(failed)?;
    let files = match before {
        Found::Store(number) => folder::store(dir, number),
        Found::First | Found::Nothing => dir.to_path_buf(),
    };
    let mut carved = Carved::default();
    if before == Found::First {
        // Bare records cannot be told from other bytes, so sled has to read its log.
        seal::tidy(dir).map_err(failed)?;
        carved.read(&Local::open(dir, dir)?)?;
    } else {
        let files = folder::logs(&files).map_err(failed)?.into_iter();
        for file in files.filter(|file| file.is_file()) {
            carved.take(&fs::read(file).map_err(failed)?);
        }
    }

    let mut repaired = Repaired {
        records: 0,
        entries: 0,
        lost: Vec::new(),
        missing: 0,
        broken: carved.broken,
        kept: None,
    };
    let carved = std::cell::RefCell::new(carved);
    let told = std::cell::RefCell::new(&mut repaired);
    let store = write_anew(dir, &|fresh| {
        fill(fresh, &mut carved.borrow_mut(), &mut told.borrow_mut())
    })?;
    // Both are there now, and the new one counts; the old one gets out of the way of sweeping.
    drop(store);
    repaired.kept = folder::set_aside(dir, before).map_err(failed)?;
    Ok(repaired)
}

/// Writes what was carved into a new store.
fn fill(fresh: &Local, carved: &mut Carved, repaired: &mut Repaired) -> Result<()> {
    let spaces = carved.live("spaces");
    let mut next_number = 0;
    let write = |tree: &str, records: BTreeMap<Vec<u8>, Vec<u8>>| -> Result<usize> {
        let count = records.len();
        let mut filling = Filling::new(fresh.tree(tree, storing(tree))?);
        for (key, value) in records {
            filling.add(key, value)?;
        }
        filling.finish().map(|()| count)
    };
    for (fingerprint, record) in &spaces {
        let Some((number, _)) = record.split_first_chunk() else {
            continue;
        };
        let number = u64::from_le_bytes(*number);
        next_number = next_number.max(number + 1);
        let name = |part: &str| format!("{}{part}", crate::space::tree_prefix(number));
        let parts = ["meta", "entries", "vectors"].map(|part| carved.live(&name(part)));
        let recovered = Recovered::of(parts);
        repaired.entries += recovered.entries.len();
        repaired.missing += recovered.missing;
        let fingerprint = String::from_utf8_lossy(fingerprint);
        let lost = recovered.lost.into_iter();
        repaired
            .lost
            .extend(lost.map(|key| (fingerprint.to_string(), key)));
        repaired.records += recovered.entries.len() + recovered.vectors.len();
        write(&name("meta"), recovered.meta)?;
        write(&name("entries"), recovered.entries)?;
        write(&name("vectors"), recovered.vectors)?;
    }
    let tables: Vec<String> = carved.trees.keys().cloned().collect();
    for tree in tables.iter().filter(|tree| tree.starts_with("table.")) {
        repaired.records += write(tree, carved.live(tree))?;
    }
    repaired.records += write("spaces", spaces)?;
    let about = fresh.tree(ABOUT, Storing::Framed)?;
    about
        .put(
            crate::database::NEXT_SPACE_KEY,
            Some(&u64::to_le_bytes(next_number)),
        )
        .map(drop)
}
