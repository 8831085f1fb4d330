//! Equal vectors: copies of a sound are common in libraries, and hard on graphs.

use soundseek_index::Query;

use crate::support::{self, Entries};

#[test]
fn every_copy_of_a_vector_is_found_in_order() {
    let mut rng = support::rng(5);
    let (_dir, _database, mut index) = support::fresh(&support::config(32));
    let mut entries = Entries::new();
    let copied = support::random_vector(&mut rng, 32);
    for i in 0..600 {
        let copies = [b"copy", i.to_string().as_bytes()].concat();
        entries.insert(copies, (Vec::new(), vec![copied.clone(), copied.clone()]));
        let other = support::random_vector(&mut rng, 32);
        entries.insert(
            [b"other", i.to_string().as_bytes()].concat(),
            (Vec::new(), vec![other]),
        );
    }
    for (key, (payload, vectors)) in &entries {
        index.upsert(key, payload, vectors).expect("stored");
    }
    for graph in [false, true] {
        if graph {
            support::build(&mut index);
        }
        for per_entry in [false, true] {
            // Fewer than there are, and exactly as many: ties end in the order of their keys.
            for k in [1, 10, 600] {
                let query = Query {
                    per_entry,
                    ..Query::new(&copied, k)
                };
                let got = index.search(&query).expect("searched");
                assert_eq!(
                    got,
                    support::exact(&entries, &query),
                    "graph: {graph}, k = {k}"
                );
            }
        }
        index.assert_valid().expect("valid");
    }
}

#[test]
fn a_copy_stays_found_when_the_first_of_its_kind_is_removed() {
    let mut rng = support::rng(6);
    let (_dir, _database, mut index) = support::fresh(&support::config(8));
    let copied = support::random_vector(&mut rng, 8);
    for key in ["a", "b", "c"] {
        index
            .upsert(key.as_bytes(), b"", std::slice::from_ref(&copied))
            .expect("stored");
    }
    for i in 0..300 {
        let vector = support::random_vector(&mut rng, 8);
        index
            .upsert(format!("x{i}").as_bytes(), b"", &[vector])
            .expect("stored");
    }
    support::build(&mut index);
    for left in [["a", "b", "c"].as_slice(), &["b", "c"], &["c"], &[]] {
        let found = index.search(&Query::new(&copied, 3)).expect("searched");
        let copies: Vec<&[u8]> = found
            .iter()
            .filter(|n| n.distance < 1e-6)
            .map(|n| &n.key[..])
            .collect();
        assert_eq!(
            copies,
            left.iter().map(|key| key.as_bytes()).collect::<Vec<_>>()
        );
        index.assert_valid().expect("valid");
        if let Some(first) = left.first() {
            assert!(index.remove(first.as_bytes()).expect("removed"));
        }
    }
}

#[test]
fn a_query_equal_to_a_stored_vector_finds_it_at_distance_nought() {
    let mut rng = support::rng(8);
    let (_dir, _database, mut index) = support::fresh(&support::config(512));
    let vectors: Vec<_> = (0..400)
        .map(|_| support::random_vector(&mut rng, 512))
        .collect();
    for (i, vector) in vectors.iter().enumerate() {
        index
            .upsert(&i.to_be_bytes(), b"", std::slice::from_ref(vector))
            .expect("stored");
    }
    for graph in [false, true] {
        if graph {
            support::build(&mut index);
        }
        for (i, vector) in vectors.iter().enumerate() {
            let found = index.search(&Query::new(vector, 1)).expect("searched");
            assert_eq!(found[0].key, i.to_be_bytes());
            // The rounding of a sum of 512 products, and never below nought.
            assert!((0.0..1e-6).contains(&found[0].distance));
        }
    }
}
