//! One ordered map of a store, and changes to several at once, whoever has the store open.
//!
//! Apart from [`crate::store`], which finds out who that is. What is asked of another process is asked in
//! parts, since an answer has to come within a second.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};
use crate::local::{self, Change, Record, Tree, Value, Walk};
use crate::store::{Home, Link};
use crate::wire::{Answer, Request};

/// One ordered map from bytes to bytes.
#[derive(Clone)]
pub(crate) struct Records {
    /// Before `home`, so that the store is closed after its trees.
    tree: OnceLock<Tree>,
    name: Arc<str>,
    home: Arc<Home>,
}

impl Records {
    pub(crate) fn new(name: &str, home: &Arc<Home>) -> Records {
        Records {
            tree: OnceLock::new(),
            name: Arc::from(name),
            home: Arc::clone(home),
        }
    }

    /// The tree, if the store is open here.
    fn here(&self) -> Result<Option<&Tree>> {
        if let Some(tree) = self.tree.get() {
            return Ok(Some(tree));
        }
        match self.home.link() {
            Link::There(_) => Ok(None),
            Link::Here(here) => {
                let tree = here.held.tree(&self.name)?;
                Ok(Some(self.tree.get_or_init(|| tree)))
            }
        }
    }

    /// Writes to the tree, where the store is open.
    fn write<T>(&self, work: impl FnOnce(&Tree) -> Result<T>) -> Result<T> {
        let held = self.home.held()?;
        held.writing(|| work(&held.tree(&self.name)?))
    }

    fn ask<T>(
        &self,
        here: &dyn Fn(&Tree) -> Result<T>,
        request: &dyn Fn() -> Request,
        there: &dyn Fn(Answer) -> Option<T>,
    ) -> Result<T> {
        self.home
            .either(&|held| here(&held.tree(&self.name)?), request, there)
    }

    fn tree_name(&self) -> String {
        self.name.to_string()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        if let Some(tree) = self.here()? {
            return tree.get(key);
        }
        let request = || Request::Get {
            tree: self.tree_name(),
            key: key.to_vec(),
        };
        self.ask(&|tree| tree.get(key), &request, &|answer| match answer {
            Answer::Value(value) => Some(value.map(Value::from)),
            _ => None,
        })
    }

    /// Returns whether the key had a value before.
    pub(crate) fn insert(&self, key: &[u8], value: Vec<u8>) -> Result<bool> {
        self.put(key, Some(value))
    }

    /// Returns whether there was a value.
    pub(crate) fn remove(&self, key: &[u8]) -> Result<bool> {
        self.put(key, None)
    }

    fn put(&self, key: &[u8], value: Option<Vec<u8>>) -> Result<bool> {
        let put = |tree: &Tree| tree.put(key, value.as_deref());
        if self.here()?.is_some() {
            return self.write(put);
        }
        let request = || Request::Write {
            tree: self.tree_name(),
            changes: vec![(key.to_vec(), value.clone())],
        };
        self.ask(&|_| self.write(put), &request, &truth)
    }

    /// Sets or removes a value if the key has `old` now. Returns whether it had.
    pub(crate) fn swap(&self, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let swap = |tree: &Tree| tree.swap(key, old, new);
        if self.here()?.is_some() {
            return self.write(swap);
        }
        let request = || Request::Swap {
            tree: self.tree_name(),
            key: key.to_vec(),
            old: old.map(<[u8]>::to_vec),
            new: new.map(<[u8]>::to_vec),
        };
        self.ask(&|_| self.write(swap), &request, &truth)
    }

    /// All records, in the order of their keys.
    pub(crate) fn iter(&self) -> Scan {
        self.with_prefix(b"")
    }

    /// The records whose key starts with `prefix`, in order.
    pub(crate) fn with_prefix(&self, prefix: &[u8]) -> Scan {
        self.scan(prefix, false)
    }

    fn scan(&self, prefix: &[u8], keys: bool) -> Scan {
        let here = match self.here() {
            Ok(tree) => tree.map(|tree| {
                if prefix.is_empty() {
                    tree.iter()
                } else {
                    tree.with_prefix(prefix)
                }
            }),
            // The first part that is asked for meets the same error.
            Err(_) => None,
        };
        Scan {
            here,
            there: Parts {
                prefix: prefix.to_vec(),
                keys,
                ready: VecDeque::new(),
                last: None,
                more: true,
            },
            records: self.clone(),
        }
    }

    /// Walks all records; there is no stored count.
    pub(crate) fn len(&self) -> Result<usize> {
        let mut count = 0;
        for record in self.scan(b"", true) {
            record?;
            count += 1;
        }
        Ok(count)
    }

    pub(crate) fn is_empty(&self) -> Result<bool> {
        Ok(self.scan(b"", true).next().transpose()?.is_none())
    }

    pub(crate) fn clear(&self) -> Result<()> {
        self.write(Tree::clear)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.home.dir
    }

    /// Whether another process has the store open.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self.home.link(), Link::There(_))
    }

    /// Makes sure that this process has the store open.
    pub(crate) fn is_here(&self) -> Result<()> {
        self.home.held().map(drop)
    }
}

fn truth(answer: Answer) -> Option<bool> {
    match answer {
        Answer::Truth(truth) => Some(truth),
        _ => None,
    }
}

/// Goes through records; through those of another process part by part, so that records that
/// are written meanwhile may or may not be among them.
pub(crate) struct Scan {
    here: Option<Walk>,
    there: Parts,
    records: Records,
}

struct Parts {
    prefix: Vec<u8>,
    keys: bool,
    ready: VecDeque<Record>,
    last: Option<Vec<u8>>,
    more: bool,
}

impl Scan {
    fn next_part(&mut self) -> Result<()> {
        let parts = &self.there;
        let request = || Request::Scan {
            tree: self.records.tree_name(),
            prefix: parts.prefix.clone(),
            after: parts.last.clone(),
            keys: parts.keys,
        };
        // The holder may be gone by now, and the rest be read here.
        let here = |tree: &Tree| {
            let rest: Result<Vec<Record>> = match &parts.last {
                None => tree.with_prefix(&parts.prefix).collect(),
                Some(last) => tree.after(&parts.prefix, last).collect(),
            };
            rest.map(|records| (records, false))
        };
        let there = |answer| match answer {
            Answer::Records(records, more) => Some((records, more)),
            _ => None,
        };
        let (records, more) = self.records.ask(&here, &request, &there)?;
        self.there.more = more && !records.is_empty();
        if let Some((key, _)) = records.last() {
            self.there.last = Some(key.clone());
        }
        self.there.ready = records.into();
        Ok(())
    }
}

impl Iterator for Scan {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if let Some(walk) = &mut self.here {
            return walk.next();
        }
        if self.there.ready.is_empty()
            && self.there.more
            && let Err(error) = self.next_part()
        {
            self.there.more = false;
            return Some(Err(error));
        }
        self.there.ready.pop_front().map(Ok)
    }
}

/// Changes to one tree.
#[derive(Default)]
pub(crate) struct Batch(Vec<Change>);

impl Batch {
    pub(crate) fn insert(&mut self, key: &[u8], value: Vec<u8>) {
        self.0.push((key.to_vec(), Some(value)));
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.0.push((key.to_vec(), None));
    }
}

/// Applies the changes to their trees, all of them or none, over a crash too.
pub(crate) fn commit(parts: &[(&Records, Batch)]) -> Result<()> {
    let Some((first, batch)) = parts.first() else {
        return Ok(());
    };
    let mut trees = Vec::with_capacity(parts.len());
    for (records, batch) in parts {
        if let Some(tree) = records.here()? {
            trees.push((tree, batch.0.as_slice()));
        }
    }
    if trees.len() == parts.len() {
        return first.home.held()?.writing(|| local::commit(&trees));
    }
    if parts.len() > 1 {
        return Err(first.home.held().err().unwrap_or(Error::Locked {
            path: first.path().to_path_buf(),
            holder: None,
        }));
    }
    let request = || Request::Write {
        tree: first.tree_name(),
        changes: batch.0.clone(),
    };
    let write = |tree: &Tree| local::commit(&[(tree, &batch.0)]).map(|()| true);
    let here = |_: &Tree| first.write(write);
    first.ask(&here, &request, &truth).map(drop)
}
