//! Latin spelling of a name, for the e-mail: lower case, no spaces, apostrophes kept.

/// `first.last` as the API spells it before `@example.com`. A character without a spelling is left out.
pub(crate) fn local_part(first: &str, last: &str) -> String {
    let mut spelled = String::new();
    for letter in format!("{first}.{last}").to_lowercase().chars() {
        if letter.is_ascii_graphic() {
            spelled.push(letter);
        } else if let Some((_, latin)) = SPELLINGS.iter().find(|(set, _)| set.contains(letter)) {
            spelled.push_str(latin);
        }
    }
    spelled
}

/// Letters with a spelling of their own, Latin, Cyrillic and Persian.
const SPELLINGS: [(&str, &str); 50] = [
    ("àáâãåāаآا", "a"),
    ("äæ", "ae"),
    ("бب", "b"),
    ("çčџ", "c"),
    ("цث", "ts"),
    ("чћچ", "ch"),
    ("ďдد", "d"),
    ("ђ", "dj"),
    ("èéêëēеэёع", "e"),
    ("є", "ye"),
    ("фف", "f"),
    ("ğґгگ", "g"),
    ("хحه", "h"),
    ("خ", "kh"),
    ("ìíîïıиі", "i"),
    ("ї", "yi"),
    ("йیيئ", "y"),
    ("јجژ", "j"),
    ("кکك", "k"),
    ("лل", "l"),
    ("љ", "lj"),
    ("мم", "m"),
    ("ñňнن", "n"),
    ("њ", "nj"),
    ("òóôõōо", "o"),
    ("öøœ", "oe"),
    ("пپ", "p"),
    ("ق", "q"),
    ("řрر", "r"),
    ("şšсسص", "s"),
    ("ß", "ss"),
    ("шش", "sh"),
    ("щ", "shch"),
    ("țťтتط", "t"),
    ("ذ", "dh"),
    ("þ", "th"),
    ("غ", "gh"),
    ("ض", "d"),
    ("ùúûūу", "u"),
    ("ü", "ue"),
    ("вو", "v"),
    ("žжظز", "z"),
    ("з", "z"),
    ("ýÿ", "y"),
    ("ю", "yu"),
    ("я", "ya"),
    ("ы", "y"),
    ("ð", "d"),
    ("ł", "l"),
    ("’", "'"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_go_apostrophes_stay_and_every_script_becomes_latin() {
        assert_eq!(local_part("Séamus", "O'Brien"), "seamus.o'brien");
        assert_eq!(local_part("Léa ", "de la Fuente"), "lea.delafuente");
        assert_eq!(local_part("Ђорђе", "Јовановић"), "djordje.jovanovich");
        assert_eq!(local_part("Дар'я", "Щербань"), "dar'ya.shcherban");
        assert_eq!(local_part("İpek", "Işık"), "ipek.isik");
        assert_eq!(local_part("رضا", "حسینی"), "rda.hsyny");
    }

    #[test]
    fn every_name_leaves_letters_on_both_sides_of_the_dot() {
        for nationality in &crate::words::NATIONALITIES {
            for name in
                [nationality.female, nationality.male, nationality.last].iter().flat_map(|words| words.split('|'))
            {
                let spelled = local_part(name, "x");
                assert!(spelled.len() >= 4, "{name} -> {spelled}");
                assert!(spelled.is_ascii(), "{name} -> {spelled}");
            }
        }
    }
}
