//! Reading a space into memory, when it is opened and whenever another process has written to it.
//!
//! Apart from the index, because here nothing is taken for granted: the counts have to agree with
//! what is there, copies of codes may be missing, and where another process has the store, entries
//! may be replaced while they are read.

use crate::codes::{Chunk, Code, ids_per_chunk};
use crate::error::Result;
use crate::flat::Flat;
use crate::roster::Roster;
use crate::space::{Ids, SpaceStore, State, shown};

/// Rows reserved ahead at opening, at most: the number comes from the disk.
const MAX_RESERVED: usize = 1 << 18;

/// How often an entry is read that another process is replacing.
const READ_AGAIN: usize = 4;

/// Reads the space into memory: the entries, and the codes from their chunks, or where no chunk
/// has them from the vectors. Where another process may be writing, an entry that is replaced
/// meanwhile is left out.
pub(crate) fn read(space: &SpaceStore, follows: bool) -> Result<(Roster, Flat, State)> {
    let state = space.state()?;
    let mut roster = Roster::default();
    for item in space.entries() {
        let (key, ids, _) = item?;
        if ids.range().end > state.next_id && !follows {
            return Err(space.corrupt(format!("entry {} has ids never given out", shown(&key))));
        }
        roster.set(&key, ids);
    }
    let mut by_id: Vec<(Ids, u32)> = roster.iter().map(|(number, m)| (m.ids, number)).collect();
    by_id.sort_unstable_by_key(|(ids, _)| (ids.first, ids.count));
    let shared = by_id
        .windows(2)
        .any(|pair| pair[0].0.range().end > pair[1].0.first);
    let vectors: u64 = by_id.iter().map(|(ids, _)| u64::from(ids.count)).sum();
    let counted = (roster.len() as u64, vectors);
    if shared || (counted != (state.entries, state.vectors) && !follows) {
        let what = format!(
            "it counts {} entries and {} vectors, and has {} and {}",
            state.entries, state.vectors, counted.0, counted.1
        );
        return Err(space.corrupt(what));
    }

    let mut flat = Flat::new(space.dimension);
    flat.reserve(usize::try_from(vectors).unwrap_or(0).min(MAX_RESERVED));
    let per_chunk = ids_per_chunk(space.dimension);
    let mut chunks = Chunk::all(space).peekable();
    let mut current: Option<(u64, Chunk)> = None;
    let mut replaced: Vec<(Ids, u32)> = Vec::new();
    'entries: for (ids, owner) in by_id {
        for id in ids.range() {
            let (number, position) = (id / per_chunk, (id % per_chunk) as usize);
            while current.as_ref().is_none_or(|(at, _)| *at < number) {
                let Some(next) = chunks.next() else { break };
                current = Some(next?);
            }
            let chunk = current.as_ref().filter(|(at, _)| *at == number);
            match chunk.and_then(|(_, chunk)| chunk.get(position)) {
                Some((scale, fingerprint, codes)) => {
                    flat.push((id, owner), (scale, fingerprint), codes);
                }
                None => {
                    let key = roster.member(owner).map_or(&[][..], |member| &member.key);
                    let code = match space.find_vector(id)? {
                        None if follows => {
                            replaced.push((ids, owner));
                            continue 'entries;
                        }
                        Some(vector) => Code::new(&vector),
                        None => Code::new(space.vector(key, id)?.as_slice()),
                    };
                    let Code {
                        scale,
                        fingerprint,
                        codes,
                    } = code;
                    flat.push((id, owner), (scale, fingerprint), codes.into_iter());
                }
            }
        }
    }
    for (ids, owner) in replaced {
        for id in ids.range() {
            flat.remove(id);
        }
        let Some(key) = roster.member(owner).map(|member| member.key.clone()) else {
            continue;
        };
        match read_again(space, &key)? {
            None => roster.remove(&key),
            Some((ids, codes)) => {
                roster.set(&key, ids);
                for (id, code) in ids.range().zip(codes) {
                    let (scale, fingerprint) = (code.scale, code.fingerprint);
                    flat.push((id, owner), (scale, fingerprint), code.codes.into_iter());
                }
            }
        }
    }
    Ok((roster, flat, state))
}

/// An entry that was replaced while it was read, as it is now; `None` if it is gone, or never at rest.
fn read_again(space: &SpaceStore, key: &[u8]) -> Result<Option<(Ids, Vec<Code>)>> {
    for _ in 0..READ_AGAIN {
        let Some(ids) = space.ids_now(key)? else {
            return Ok(None);
        };
        let code = |id| Ok(space.find_vector(id)?.map(|vector| Code::new(&vector)));
        let codes: Option<Vec<Code>> = ids.range().map(code).collect::<Result<_>>()?;
        if let Some(codes) = codes {
            return Ok(Some((ids, codes)));
        }
    }
    Ok(None)
}
