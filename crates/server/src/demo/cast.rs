//! Who lives in the sample harbour: invented seabirds, each with a trade, a language and a mood.

use super::draw::Colour;

/// A character.
pub(super) struct Character {
    pub name: &'static str,
    pub display_name: &'static str,
    pub note: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
    pub feathers: Colour,
    pub sky: Colour,
    /// Asks before somebody may follow.
    pub locked: bool,
    /// A machine, and says so.
    pub bot: bool,
}

/// One that is neither locked nor a machine.
const fn bird(
    name: &'static str,
    display_name: &'static str,
    note: &'static str,
    fields: &'static [(&'static str, &'static str)],
    feathers: Colour,
    sky: Colour,
) -> Character {
    Character { name, display_name, note, fields, feathers, sky, locked: false, bot: false }
}

/// All of them; the first keeps the place.
pub(super) const CAST: &[Character] = &[
    bird(
        "fulmar",
        "Old Fulmar",
        "Keeps the light, the log and the peace in Skerry Harbour. Ask me anything about wind.",
        &[("Post", "North pier, top of the stairs"), ("Watch", "Always the dog watch")],
        [120, 130, 140],
        [170, 205, 230],
    ),
    bird(
        "puffin",
        "Pim Puffin",
        "Baker at the quay. Sand eels, rye, and opinions on butter. #Baking",
        &[("Open", "From four in the morning")],
        [30, 32, 40],
        [250, 190, 120],
    ),
    bird(
        "gull",
        "Gustav Möwe",
        "Fischmarkt, Nordseite. Ich habe Ihre Pommes nicht gesehen. #Fischmarkt",
        &[("Sprache", "Deutsch, notfalls laut")],
        [225, 230, 235],
        [90, 150, 190],
    ),
    bird(
        "tern",
        "Tilda Tern",
        "Pole to pole and back. Maps, routes, postcards. #Migration",
        &[("Last seen", "Somewhere south"), ("Kilometres", "Too many")],
        [245, 245, 245],
        [70, 120, 200],
    ),
    bird(
        "cormorant",
        "Corin Cormorant",
        "Diver. Repairs moorings, propellers and quarrels below the waterline.",
        &[("Deepest", "41 metres, honestly")],
        [25, 40, 45],
        [60, 110, 110],
    ),
    bird(
        "gannet",
        "Gwen Gannet",
        "Photographer. I go in head first. #Silverpixels",
        &[("Gear", "One lens, many regrets")],
        [250, 240, 215],
        [120, 170, 210],
    ),
    bird(
        "skua",
        "Skua",
        "I review other people's lunch. Usually from very near.",
        &[],
        [90, 70, 55],
        [200, 200, 190],
    ),
    bird(
        "petrel",
        "Petra Petrel",
        "Meteoróloga de guardia. Camino sobre el agua cuando nadie mira. #Tiempo",
        &[("Turno", "De noche")],
        [45, 45, 60],
        [110, 100, 160],
    ),
    bird(
        "kittiwake",
        "Kit Wake",
        "Fiddle, squeezebox, sea songs on Thursdays. #MusicThursday",
        &[("Band", "The Guano Three")],
        [200, 210, 225],
        [230, 160, 160],
    ),
    bird(
        "guillemot",
        "Guille Mot",
        "Traductrice, falaise ouest, troisième corniche. Le café avant les verbes. #Livres",
        &[("Langues", "français, anglais, vent")],
        [60, 45, 40],
        [190, 215, 200],
    ),
    bird(
        "eider",
        "Edda Eider",
        "Syr dyner og flagg. Bor ved naustet. #Håndarbeid",
        &[("Verksted", "Naustet, blå dør")],
        [150, 115, 85],
        [150, 190, 170],
    ),
    bird(
        "oystercatcher",
        "Ostra",
        "Opens oysters, locks and debates. Harbour council, for the mudflats.",
        &[("Office", "Low tide only")],
        [20, 20, 25],
        [235, 120, 80],
    ),
    Character {
        locked: true,
        ..bird(
            "stormpetrel",
            "Little Storm",
            "Shy. Mostly here to read. Ask first, please.",
            &[],
            [35, 35, 45],
            [80, 90, 110],
        )
    },
    Character {
        bot: true,
        ..bird(
            "tidebell",
            "Tide Bell",
            "I ring at high water. I am a bell. Wound up by @fulmar.",
            &[("Kept by", "@fulmar")],
            [190, 150, 60],
            [40, 60, 90],
        )
    },
];
