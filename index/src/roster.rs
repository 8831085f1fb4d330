//! Which entries there are, in memory: key to number, number to key and vector ids.
//!
//! The scan and the graph say "this row belongs to entry 17"; numbers keep that to four bytes a
//! row, and let a filter be asked once per entry whatever the number of its vectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::space::Ids;

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) key: Arc<[u8]>,
    pub(crate) ids: Ids,
}

/// All entries of a space.
#[derive(Default)]
pub(crate) struct Roster {
    numbers: BTreeMap<Arc<[u8]>, u32>,
    members: Vec<Option<Member>>,
    free: Vec<u32>,
}

impl Roster {
    /// Sets the ids of the entry, which is added if absent. Returns its number.
    pub(crate) fn set(&mut self, key: &[u8], ids: Ids) -> u32 {
        if let Some(&number) = self.numbers.get(key) {
            if let Some(member) = &mut self.members[number as usize] {
                member.ids = ids;
            }
            return number;
        }
        let key: Arc<[u8]> = Arc::from(key);
        let member = Some(Member {
            key: Arc::clone(&key),
            ids,
        });
        let number = match self.free.pop() {
            Some(number) => {
                self.members[number as usize] = member;
                number
            }
            None => {
                self.members.push(member);
                (self.members.len() - 1) as u32
            }
        };
        self.numbers.insert(key, number);
        number
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some(number) = self.numbers.remove(key) {
            self.members[number as usize] = None;
            self.free.push(number);
        }
    }

    pub(crate) fn ids(&self, key: &[u8]) -> Option<Ids> {
        let &number = self.numbers.get(key)?;
        self.member(number).map(|member| member.ids)
    }

    pub(crate) fn member(&self, number: u32) -> Option<&Member> {
        self.members.get(number as usize)?.as_ref()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.numbers.keys().map(AsRef::as_ref)
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Every number is below this.
    pub(crate) fn numbers_end(&self) -> usize {
        self.members.len()
    }

    /// All entries with their numbers, in no useful order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Member)> {
        let numbered = self.members.iter().enumerate();
        numbered.filter_map(|(number, member)| Some((number as u32, member.as_ref()?)))
    }
}
