//! Where addresses are, for the geographic fields, and how far it is from one to the other.

use super::random::sin;

const EARTH_KM: f64 = 6_371.0;

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

impl Place {
    /// `City, country`.
    pub(super) fn name(&self) -> String {
        format!("{}, {}", self.city, self.country)
    }

    /// Over the surface of a globe.
    pub(super) fn km_to(&self, other: &Self) -> f64 {
        let (a, b) = (self.unit_vector(), other.unit_vector());
        let squares: f64 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
        let half_chord = squares.sqrt() / 2.0;
        // The angle whose half has that sine.
        let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
        for _ in 0..48 {
            let middle = (low + high) / 2.0;
            if sin(middle) < half_chord {
                low = middle;
            } else {
                high = middle;
            }
        }
        2.0 * EARTH_KM * low
    }

    fn unit_vector(&self) -> [f64; 3] {
        let radians = |degrees: &str| degrees.parse::<f64>().unwrap_or(0.0) * std::f64::consts::PI / 180.0;
        let (latitude, longitude) = (radians(self.latitude), radians(self.longitude));
        let cos = |x: f64| sin(std::f64::consts::FRAC_PI_2 - x.abs());
        [cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)]
    }

    /// The place in another country whose distance is nearest to `km`.
    pub(super) fn at_distance(&self, km: f64) -> &'static Self {
        let off = |place: &Self| (self.km_to(place) - km).abs();
        PLACES
            .iter()
            .filter(|p| p.country != self.country)
            .min_by(|a, b| off(a).total_cmp(&off(b)))
            .unwrap_or(&PLACES[0])
    }
}

/// Two places less than `km` apart with a border between them.
pub(super) fn neighbours(km: f64, hash: u64) -> (&'static Place, &'static Place) {
    let pairs: Vec<_> = PLACES.iter().map(|p| (p, p.at_distance(0.0))).filter(|(a, b)| a.km_to(b) < km).collect();
    let count = u64::try_from(pairs.len()).unwrap_or(1);
    let chosen = usize::try_from(super::random::reduce(hash, count)).ok().and_then(|i| pairs.get(i).copied());
    chosen.unwrap_or((&PLACES[0], &PLACES[0]))
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

#[cfg(test)]
mod tests {
    use super::{PLACES, neighbours};

    #[test]
    fn distances_are_those_of_maps() {
        let km = |a: usize, b: usize| PLACES[a].km_to(&PLACES[b]);
        for (a, b, wanted) in [(0, 3, 5_570.0), (3, 5, 344.0), (11, 17, 12_970.0), (11, 12, 17_690.0), (2, 2, 0.0)] {
            assert!((km(a, b) - wanted).abs() < 25.0, "{} to {}: {}", PLACES[a].city, PLACES[b].city, km(a, b));
            assert!((km(a, b) - km(b, a)).abs() < 1e-6);
        }
        assert_eq!(PLACES[3].at_distance(300.0).city, "Paris");
        assert_eq!(PLACES[0].at_distance(16_000.0).city, "Sydney");
        for hash in [0, u64::MAX / 3, u64::MAX] {
            let (a, b) = neighbours(400.0, hash);
            assert!(a.country != b.country && a.km_to(b) < 400.0, "{} {}", a.city, b.city);
        }
    }
}
