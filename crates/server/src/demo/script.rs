//! What happens in the sample harbour within five days, in order.

use super::draw::Motif;

/// Length of it all, in minutes.
pub(super) const MINUTES: i64 = 5 * 24 * 60;

/// A post of the script.
pub(super) struct Line {
    /// Minutes after the beginning.
    pub at: i64,
    pub who: &'static str,
    /// Its name within the script, for answers; empty where nobody answers.
    pub key: &'static str,
    pub language: &'static str,
    pub text: &'static str,
    pub warning: &'static str,
    /// The name of what it answers.
    pub answers: &'static str,
    pub picture: Option<(Motif, &'static str)>,
    pub poll: &'static [&'static str],
    pub unlisted: bool,
    pub followers_only: bool,
    pub pinned: bool,
}

const fn line(at: i64, who: &'static str, language: &'static str, text: &'static str) -> Line {
    Line {
        at,
        who,
        key: "",
        language,
        text,
        warning: "",
        answers: "",
        picture: None,
        poll: &[],
        unlisted: false,
        followers_only: false,
        pinned: false,
    }
}

impl Line {
    const fn named(self, key: &'static str) -> Self {
        Self { key, ..self }
    }
    const fn to(self, answers: &'static str) -> Self {
        Self { answers, ..self }
    }
    const fn warning(self, warning: &'static str) -> Self {
        Self { warning, ..self }
    }
    const fn showing(self, motif: Motif, description: &'static str) -> Self {
        Self { picture: Some((motif, description)), ..self }
    }
    const fn asking(self, poll: &'static [&'static str]) -> Self {
        Self { poll, ..self }
    }
    const fn pinned(self) -> Self {
        Self { pinned: true, ..self }
    }
    const fn unlisted(self) -> Self {
        Self { unlisted: true, ..self }
    }
    const fn followers_only(self) -> Self {
        Self { followers_only: true, ..self }
    }
}

/// All of it.
pub(super) const SCRIPT: &[Line] = &[
    line(
        5,
        "fulmar",
        "en",
        "Welcome to Skerry Harbour. Be kind, mind the ropes, and tell the \
        light keeper when you see fog. New here? Say hello with #Introduction.",
    )
    .named("welcome")
    .pinned(),
    line(
        40,
        "puffin",
        "en",
        "#Introduction Pim, baker. I carry more than you would think, and I \
        carry it sideways. The oven is on from four. #Baking",
    )
    .named("pim")
    .pinned(),
    line(
        52,
        "tern",
        "en",
        "@puffin I have flown eighteen thousand kilometres and all I thought \
        of was your rye.",
    )
    .to("pim")
    .named("rye"),
    line(58, "puffin", "en", "@tern It is in the oven. Land carefully.").to("rye"),
    line(
        130,
        "gull",
        "de",
        "#Introduction Moin! Gustav vom Fischmarkt. Was man über mich und die \
        Pommes erzählt, ist zur Hälfte gelogen. #Fischmarkt",
    )
    .named("gustav"),
    line(141, "skua", "en", "@gull Which half?").to("gustav").named("half"),
    line(150, "gull", "de", "@skua Die mit der Mayonnaise.").to("half"),
    line(
        290,
        "petrel",
        "es",
        "Parte de la noche: viento del suroeste, fuerza 5, subiendo. Mar \
        gruesa al otro lado del faro. #Tiempo #Harbour",
    )
    .named("parte1"),
    line(360, "tidebell", "en", "High water. Dong. #Tides").unlisted(),
    line(
        410,
        "kittiwake",
        "en",
        "New tune, no name yet. It goes up like a gull and comes down \
        like a gannet. First heard tonight at the net loft. #MusicThursday",
    ),
    line(
        620,
        "guillemot",
        "fr",
        "Traduire « harbour » : port, havre, refuge. Le texte hésite, \
        moi aussi. Un café, et je choisis havre. #Livres",
    )
    .named("havre"),
    line(
        655,
        "eider",
        "nb",
        "@guillemot På norsk er det bare «havn». Men havn er også et sted å \
        være trygg.",
    )
    .to("havre"),
    line(
        800,
        "gannet",
        "en",
        "Evening light over the north pier. One frame, then the wind took \
        my lens cap. #Silverpixels #Harbour",
    )
    .showing(
        Motif::Sunset,
        "A low orange sun over the sea, with the dark pier on the left and \
        a bright path of light on the water.",
    )
    .named("sunset")
    .pinned(),
    line(
        812,
        "fulmar",
        "en",
        "@gannet Your lens cap is in my gutter. So is a herring. I ask no \
        questions.",
    )
    .to("sunset")
    .named("cap"),
    line(830, "gannet", "en", "@fulmar Keep the herring.").to("cap"),
    line(1105, "tidebell", "en", "High water. Dong. #Tides").unlisted(),
    line(
        1440,
        "puffin",
        "en",
        "Today's board: rye, sea-salt rolls, and the one with seeds that \
        nobody admits to liking and everybody buys. #Baking",
    )
    .showing(Motif::Bread, "Three dark loaves with pale cuts on a wooden board.")
    .named("board"),
    line(1452, "oystercatcher", "en", "@puffin I admit it. Four of those.").to("board"),
    line(
        1500,
        "oystercatcher",
        "en",
        "Council asks: what shall we do with the old crane on the \
        south quay? Open until the end of the week. #HarbourCouncil",
    )
    .asking(&["Paint it and keep it", "A look-out with stairs", "Nests, obviously"])
    .named("crane"),
    line(1522, "kittiwake", "en", "@oystercatcher Nests have the better acoustics.").to("crane"),
    line(
        1540,
        "cormorant",
        "en",
        "@oystercatcher Whatever it is, I was below it this morning, \
        and the third pile needs work first.",
    )
    .to("crane")
    .named("pile"),
    line(
        1551,
        "oystercatcher",
        "en",
        "@cormorant Noted in the minutes. Thank you for looking \
        where nobody looks.",
    )
    .to("pile"),
    line(
        1700,
        "skua",
        "en",
        "Sandwich, quay steps, unattended. Crust excellent, filling modest, \
        owner fast. Three feathers out of five.",
    )
    .warning("Food, and how I got it")
    .named("review"),
    line(1716, "tern", "en", "@skua That was mine.").to("review").named("mine"),
    line(1720, "skua", "en", "@tern I said modest. I did not say bad.").to("mine"),
    line(
        1990,
        "petrel",
        "es",
        "Cambio: la borrasca viene antes. Doble amarra esta noche, por \
        favor. #Tiempo",
    )
    .named("borrasca"),
    line(
        2004,
        "fulmar",
        "en",
        "@petrel The light is on, horn tested, stairs salted. Everybody: \
        second mooring lines before nine. #Harbour",
    )
    .to("borrasca"),
    line(
        2200,
        "gannet",
        "en",
        "From the top of the stairs, holding on with both feet. #Storm \
        #Silverpixels",
    )
    .showing(Motif::Storm, "Steep dark waves with white edges under a grey sky.")
    .named("storm"),
    line(2215, "stormpetrel", "en", "I like this weather. Sorry.").followers_only(),
    line(
        2290,
        "cormorant",
        "en",
        "Two boats adrift, both caught. One propeller fouled by \
        somebody's washing. It is blue and has an anchor on it. #LostAndFound",
    )
    .named("washing"),
    line(2301, "gull", "de", "@cormorant Äh. Meins. #LostAndFound").to("washing"),
    line(
        2880,
        "fulmar",
        "en",
        "Log: wind down to 3, nobody hurt, one chimney lighter. Well done, \
        all of you. #Harbour",
    )
    .named("log"),
    line(2893, "puffin", "en", "@fulmar Free rolls until they are gone.").to("log"),
    line(
        2990,
        "eider",
        "nb",
        "Ferdig! Åtte ganger åtte, fylt med det varmeste jeg har. \
        #Håndarbeid",
    )
    .showing(
        Motif::Quilt,
        "A quilt of eight by eight squares in blue, ochre, red and white, \
        each with a pale diamond.",
    )
    .named("quilt")
    .pinned(),
    line(
        3010,
        "guillemot",
        "fr",
        "@eider Magnifique. On dirait la falaise vue d'en haut, au mois \
        de juin.",
    )
    .to("quilt"),
    line(
        3200,
        "tern",
        "en",
        "People ask how one finds the way. You follow the coast until there \
        is none, and then you trust the map in your head. This is mine. #Migration",
    )
    .showing(Motif::Chart, "A sea chart with two coasts and a dotted red route between them.")
    .named("map")
    .pinned(),
    line(3222, "petrel", "es", "@tern ¿Y cuando el viento no está de acuerdo?")
        .to("map")
        .named("wind"),
    line(3230, "tern", "en", "@petrel Then it is a longer map.").to("wind"),
    line(3600, "tidebell", "en", "High water. Dong. #Tides").unlisted(),
    line(3900, "kittiwake", "en", "Set list for tomorrow. You choose the last one. #MusicThursday")
        .asking(&["The Gannet's Descent", "Second Mooring Line", "Slow Air for a Lens Cap"])
        .named("setlist"),
    line(3931, "gannet", "en", "@kittiwake I feel seen.").to("setlist"),
    line(
        4210,
        "gull",
        "de",
        "Heute Scholle, Makrele und ein Hering, der angeblich aus einer \
        Dachrinne kommt. Frisch ist er trotzdem. #Fischmarkt",
    ),
    line(
        4330,
        "guillemot",
        "fr",
        "Page 212 : le gardien du phare se tait enfin. C'est la plus \
        belle page, et je n'ai presque rien à y traduire. #Livres",
    ),
    line(
        4800,
        "fulmar",
        "en",
        "Clear night. If you have never climbed up here: come, bring bread. \
        #Harbour",
    )
    .showing(
        Motif::Lighthouse,
        "A red and white lighthouse at night, its beam reaching to the \
        right under small stars.",
    )
    .named("light"),
    line(4811, "eider", "nb", "@fulmar Jeg tar med dyna.").to("light"),
    line(
        5400,
        "skua",
        "en",
        "Somebody has left a whole pie on the harbour wall. I have sat next \
        to it for an hour and not touched it. Growth.",
    )
    .named("growth"),
    line(5406, "puffin", "en", "@skua It is for you. It says so on the box.").to("growth"),
    line(
        5800,
        "petrel",
        "es",
        "Alta presión hasta el domingo. Podéis tender la ropa, Gustav \
        incluido. #Tiempo",
    ),
    line(
        6300,
        "oystercatcher",
        "en",
        "Minutes are up: third pile first (thank you, @cormorant), \
        crane after the vote, and the bell stays. #HarbourCouncil",
    ),
    line(6720, "tidebell", "en", "High water. Dong. #Tides").unlisted(),
    line(
        6900,
        "kittiwake",
        "en",
        "Full loft last night. Somebody cried at the slow air, and it \
        was the cormorant. #MusicThursday",
    )
    .named("loft"),
    line(6912, "cormorant", "en", "@kittiwake It was water. I am always wet.").to("loft"),
    line(7080, "puffin", "en", "Oven on. Good morning, harbour. #Baking"),
    line(
        7170,
        "fulmar",
        "en",
        "Morning watch: calm, clear, two sails on the horizon. Coffee is \
        at the top of the stairs.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::cast::CAST;

    #[test]
    fn everybody_is_cast_and_every_answer_follows_what_it_answers() {
        let mut known = vec![];
        let mut last = 0;
        for line in SCRIPT {
            assert!(line.at > last && line.at < MINUTES, "{}", line.text);
            last = line.at;
            assert!(CAST.iter().any(|character| character.name == line.who), "{}", line.who);
            assert!(line.answers.is_empty() || known.contains(&line.answers), "{}", line.answers);
            assert!(line.key.is_empty() || !known.contains(&line.key), "{}", line.key);
            known.push(line.key);
        }
    }
}
