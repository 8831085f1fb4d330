//! Random histories of one index against a map and a look at everything: whatever is written,
//! removed, reopened, built and compacted, answers are those of the map, and the store is valid.

use proptest::prelude::*;
use soundseek_index::{Config, Database, KeyFilter, Query, Vector};

use crate::support::{self, Entries};

const DIMENSION: usize = 6;

#[derive(Debug, Clone)]
enum Step {
    Upsert {
        key: u8,
        payload: Vec<u8>,
        vectors: Vec<[i8; DIMENSION]>,
    },
    SetPayload {
        key: u8,
        payload: Vec<u8>,
    },
    Remove {
        key: u8,
    },
    Reopen,
    Build,
    Prepare,
    Compact,
    Search {
        vector: [i8; DIMENSION],
        k: usize,
        per_entry: bool,
        filtered: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..24;
    let payload = || prop::collection::vec(any::<u8>(), 0..5);
    // Small whole numbers, so that equal vectors and ties turn up; the first is never 0.
    let numbers = || {
        prop::array::uniform6(-2i8..=2).prop_map(|mut numbers| {
            numbers[0] = if numbers[0] < 0 { -1 } else { 1 };
            numbers
        })
    };
    prop_oneof![
        8 => (key.clone(), payload(), prop::collection::vec(numbers(), 0..6))
            .prop_map(|(key, payload, vectors)| Step::Upsert { key, payload, vectors }),
        1 => (key.clone(), payload()).prop_map(|(key, payload)| Step::SetPayload { key, payload }),
        3 => key.prop_map(|key| Step::Remove { key }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Build),
        1 => Just(Step::Prepare),
        1 => Just(Step::Compact),
        6 => (numbers(), 0usize..40, any::<bool>(), any::<bool>()).prop_map(
            |(vector, k, per_entry, filtered)| Step::Search { vector, k, per_entry, filtered }
        ),
    ]
}

fn vector(numbers: [i8; DIMENSION]) -> Vector {
    Vector::normalized(numbers.map(f32::from).to_vec()).expect("the first is not 0")
}

fn name(key: u8) -> Vec<u8> {
    // Keys of all lengths, the empty one too, and bytes that are not text.
    vec![255 - key; usize::from(key)]
}

proptest! {
    // Each case writes a store to the disk.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn an_index_is_a_map_with_search(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = Config { exact_below: 20, m: 4, ..support::config(DIMENSION) };
        let mut entries = Entries::new();
        let mut opened = open(dir.path(), &config);
        for step in steps {
            let index = &mut opened.1;
            match step {
                Step::Upsert { key, payload, vectors } => {
                    let vectors: Vec<Vector> = vectors.into_iter().map(vector).collect();
                    index.upsert(&name(key), &payload, &vectors).expect("stored");
                    entries.insert(name(key), (payload, vectors));
                }
                Step::SetPayload { key, payload } => {
                    let there = index.set_payload(&name(key), &payload).expect("stored");
                    prop_assert_eq!(there, entries.contains_key(&name(key)));
                    if let Some(entry) = entries.get_mut(&name(key)) {
                        entry.0 = payload;
                    }
                }
                Step::Remove { key } => {
                    let there = index.remove(&name(key)).expect("removed");
                    prop_assert_eq!(there, entries.remove(&name(key)).is_some());
                }
                Step::Reopen => {
                    drop(opened);
                    opened = open(dir.path(), &config);
                }
                Step::Build => support::build(index),
                Step::Prepare => index.prepare_graph(),
                Step::Compact => index.compact(&support::never, &|_| ()).expect("compacted"),
                Step::Search { vector: numbers, k, per_entry, filtered } => {
                    let vector = vector(numbers);
                    let odd = |key: &[u8]| key.len() % 2 == 1;
                    let filter: Option<KeyFilter<'_>> =
                        if filtered { Some(&odd) } else { None };
                    let query = Query { k, per_entry, filter, ..Query::new(&vector, 0) };
                    let got = index.search(&query).expect("searched");
                    let want = support::exact(&entries, &query);
                    // So few points that the graph's ef covers them all.
                    prop_assert_eq!(got, want);
                }
            }
        }
        let index = &opened.1;
        index.assert_valid().expect("valid");
        prop_assert_eq!(index.entries(), entries.len());
        let vectors: usize = entries.values().map(|(_, vectors)| vectors.len()).sum();
        prop_assert_eq!(index.vectors(), vectors);
        prop_assert!(index.keys().eq(entries.keys().map(Vec::as_slice)));
        for (key, (payload, vectors)) in &entries {
            let entry = index.get(key).expect("read").expect("there");
            prop_assert_eq!((&entry.payload, &entry.vectors), (payload, vectors));
        }
    }
}

fn open(dir: &std::path::Path, config: &Config) -> (Database, soundseek_index::Index) {
    let database = Database::open(dir).expect("opened");
    let index = database.create_or_open(config).expect("opened");
    (database, index)
}
