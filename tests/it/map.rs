//! The map: like things lie together, and the same library has the same map.

use std::cell::RefCell;
use std::sync::RwLock;

use soundseek::map::{LABELS, arrange, lay_out};

use crate::support::{Studio, embedder};

/// Unit vectors about `groups` random directions, the members of a group one after another.
fn groups(groups: usize, members: usize, dimension: usize) -> Vec<f32> {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(42);
    let mut rows = Vec::new();
    for _ in 0..groups {
        let centre: Vec<f32> = (0..dimension)
            .map(|_| random.random_range(-1.0..1.0))
            .collect();
        for _ in 0..members {
            let row: Vec<f32> = centre
                .iter()
                .map(|c| c + random.random_range(-0.4..0.4))
                .collect();
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            rows.extend(row.iter().map(|x| x / length));
        }
    }
    rows
}

#[test]
fn the_nearest_on_the_map_are_of_the_same_group() {
    let (count, members, dimension) = (12, 40, 64);
    let rows = groups(count, members, dimension);
    let places = arrange(&rows, dimension, &|| false, &|_| {}).expect("nobody cancels");
    assert_eq!(places.len(), count * members);
    assert!(places.iter().flatten().all(|x| (-1.0..=1.0).contains(x)));
    let square = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    let same = (0..places.len()).filter(|&n| {
        let others = (0..places.len()).filter(|&other| other != n);
        let nearest = others
            .min_by(|&a, &b| square(places[n], places[a]).total_cmp(&square(places[n], places[b])));
        nearest.is_some_and(|other| other / members == n / members)
    });
    // Groups of 64 dimensions that hardly overlap; two principal components alone reach about half.
    let same = same.count();
    assert!(
        same * 100 >= places.len() * 97,
        "{same} of {}",
        places.len()
    );
}

#[test]
fn the_same_vectors_have_the_same_map() {
    let rows = groups(3, 50, 16);
    let once = arrange(&rows, 16, &|| false, &|_| {});
    assert_eq!(once, arrange(&rows, 16, &|| false, &|_| {}));
}

#[test]
fn few_and_equal_vectors_have_places_too() {
    for count in [0, 1, 2, 3, 5] {
        let rows = [1.0, 0.0, 0.0].repeat(count);
        let places = arrange(&rows, 3, &|| false, &|_| {}).expect("nobody cancels");
        assert_eq!(places.len(), count);
        assert!(
            places.iter().flatten().all(|x| (-1.0..=1.0).contains(x)),
            "{places:?}"
        );
    }
}

#[test]
fn arranging_tells_how_far_it_is_and_stops_when_asked() {
    let told = RefCell::new(Vec::new());
    let rows = groups(2, 30, 8);
    arrange(&rows, 8, &|| false, &|share| told.borrow_mut().push(share)).expect("nobody cancels");
    assert!(told.borrow().windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(
        told.borrow()
            .iter()
            .all(|share| (0.0..=1.0).contains(share))
    );
    assert_eq!(arrange(&rows, 8, &|| true, &|_| {}), None);
}

#[test]
fn a_library_has_a_map_with_labels_that_is_kept_until_it_changes() {
    let studio = Studio::new();
    for name in ["kick-drum", "snare-drum", "telephone-ring", "applause"] {
        studio.put(name, &format!("{name}.wav"));
    }
    studio.index();
    let library = studio.library();
    let index = RwLock::new(library.index_for_search(embedder()).expect("it is there"));
    let made = RefCell::new(0);
    let map = || {
        *made.borrow_mut() = 0;
        lay_out(&library, &index, embedder(), &|| false, &|_| {
            *made.borrow_mut() += 1
        })
        .expect("the store is whole")
        .expect("nobody cancels")
    };
    let first = map();
    assert!(*made.borrow() > 0);
    assert_eq!(first.points.len(), 4);
    for point in &first.points {
        let files = library
            .files_of(&point.content)
            .expect("the store is whole");
        let name = files[0]
            .0
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let label = LABELS[usize::from(point.label)];
        // The built-in model takes drums for each other, but never applause for anything else.
        assert_eq!(label == "applause", name == "applause", "{name}: {label}");
    }
    assert_eq!(map(), first);
    assert_eq!(*made.borrow(), 0, "it was kept");
}
