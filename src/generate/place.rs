//! Where addresses are, for the geographic fields.

/// Coordinates are texts, so that they are written as they stand here.
#[derive(Debug)]
pub(super) struct Place {
    pub country: &'static str,
    pub city: &'static str,
    pub latitude: &'static str,
    pub longitude: &'static str,
}

const fn place(country: &'static str, city: &'static str, latitude: &'static str, longitude: &'static str) -> Place {
    Place { country, city, latitude, longitude }
}

/// The first are the most frequent among subscribers.
pub(super) static PLACES: [Place; 24] = [
    place("US", "New York", "40.7128", "-74.006"),
    place("US", "Chicago", "41.8781", "-87.6298"),
    place("DE", "Berlin", "52.52", "13.405"),
    place("GB", "London", "51.5074", "-0.1278"),
    place("US", "San Jose", "37.3382", "-121.8863"),
    place("FR", "Paris", "48.8566", "2.3522"),
    place("JP", "Tokyo", "35.6762", "139.6503"),
    place("IN", "Bengaluru", "12.9716", "77.5946"),
    place("BR", "São Paulo", "-23.5505", "-46.6333"),
    place("CA", "Toronto", "43.6532", "-79.3832"),
    place("NL", "Amsterdam", "52.3676", "4.9041"),
    place("AU", "Sydney", "-33.8688", "151.2093"),
    place("ES", "Madrid", "40.4168", "-3.7038"),
    place("PL", "Warsaw", "52.2297", "21.0122"),
    place("SE", "Stockholm", "59.3293", "18.0686"),
    place("SG", "Singapore", "1.3521", "103.8198"),
    place("ZA", "Johannesburg", "-26.2041", "28.0473"),
    place("MX", "Mexico City", "19.4326", "-99.1332"),
    place("KR", "Seoul", "37.5665", "126.978"),
    place("IT", "Milan", "45.4642", "9.19"),
    place("CH", "Zürich", "47.3769", "8.5417"),
    place("AR", "Buenos Aires", "-34.6037", "-58.3816"),
    place("KE", "Nairobi", "-1.2921", "36.8219"),
    place("NO", "Oslo", "59.9139", "10.7522"),
];

/// Any hash names a place.
pub(super) fn place_of(hash: u64) -> &'static Place {
    let count = u64::try_from(PLACES.len()).unwrap_or(1);
    // The smaller of two draws: earlier places are more frequent.
    let one = super::random::reduce(hash, count);
    let other = super::random::reduce(hash.rotate_left(32), count);
    usize::try_from(one.min(other)).ok().and_then(|i| PLACES.get(i)).unwrap_or(&PLACES[0])
}
