"""The words that decide whether letters in a text are a company: legal forms, everyday words, given names.

The lists were written for this purpose. A word that is missing costs a wrong resolution at most where a company bears
it and nothing else; a word too many costs a resolution where a capital letter is the only evidence.
"""

from __future__ import annotations


def _set(*words: str) -> frozenset[str]:
    return frozenset(word for line in words for word in line.split())


CORPORATE_FORMS = _set("corp corporation inc incorporated")
"""Interchangeable in practice: a text that says Inc. may mean the company registered as Corp."""

LEGAL_FORMS = CORPORATE_FORMS | _set(
    "ab ag as asa bhd bv co companies company cv gmbh group holding holdings kgaa limited llc llp lp ltd na nv oyj "
    "plc pty sa sab se spa "
)

FOREIGN_FORMS = _set("ab ag asa bhd bv kgaa oyj pty sab se spa")
"""Forms that an American company does not have: Merck KGaA is not Merck & Co."""

SHARE_WORDS = _set("adr adrs ads cl class common depositary ordinary registered share shares sponsored stock ")
"""Words after a company's name that name its shares."""

CONNECTING = _set("& a an at by de del du e for in la le of on the to van von y ")
"""Words inside names that texts write without a capital."""

DESCRIPTIVE = _set(
    "aerospace ai airlines bancorp bancorporation bancshares bankshares bio biologics biopharma biopharmaceuticals "
    "bioscience biosciences biotech biotechnologies biotechnology biotherapeutics brands com communications computer "
    "data devices diagnostics digital education electric electronics energy enterprise enterprises entertainment etf "
    "financial foods gaming genetics global health healthcare hospitality hotels industries instruments insurance "
    "interactive international laboratories labs lifesciences logistics machines materials media medical medicines "
    "metals minerals mining motor motors network networks oncology partners petroleum pharma pharmaceutical "
    "pharmaceuticals platforms products properties realty reit resorts resources restaurants robotics science "
    "sciences scientific semiconductor semiconductors services software solutions stores systems tech technologies "
    "technology therapeutics trust wholesale worldwide "
)
"""Last words that say what a company does and that texts leave out: Biogen, Intellia, Marvell."""

SELDOM_SPOKEN = _set("com motor")
"""Last words that are left out even where what remains is a familiar word: Amazon, Ford."""

UNSAFE_TICKERS = _set(
    "a ai all am an any api ar are arr as at b be beat best big bio bit bull by c ca can car cars cash cat ceo cfo "
    "cost cue d dd de dna do doc dow e ebt ecb edit el epa eps erp etf eu ev ever f fast fda fed fix for ftc fun g ga "
    "gas gdp go good h has he high home hope hr i ib id ii iii il in ip ipo irs it k key l la lead life live low m ma "
    "man me mi mo ms mu my n nasa net new next nice no now o ok on one op opec open or out p pa pay pc peak pm post "
    "ppi pr pump q r r&d rate re real repo rl roi run s sa saas sam sec see self sky so spot stem step sun t team "
    "tech the tip to true tv two u uk un us usa v vc via w well who x y you z "
)
"""Letters that mean something else when they stand alone: states, degrees, abbreviations and words."""

FAMILIAR = _set(
    "abbott adobe airbus alphabet amazon android anthem apple arm autodesk baxter blackstone boeing buick cadillac "
    "campbell caterpillar centene chase chevron cigna citi coke corning cummins danaher deere dell disney dominos "
    "dover dropbox etsy ford gillette goldman halliburton heinz hershey hess hilton honeywell humana hyatt intuit "
    "kellogg kindle lockheed lyft macys marriott mattel merck moody moodys morningstar nike opel oracle paramount "
    "pixar reddit roku salesforce skype sprite tesla transocean tyson verizon visa wendys whirlpool yelp "
)
"""Words that are used for other things too, but with a capital inside a sentence mostly for the company."""

EVERYDAY = _set(
    "abacus ability able absolute abundant accelerate access accredited ace acre acreage act active acuity acute "
    "adams adapt advance advanced advantage advent advisor aesthetic affinity affirm agenda agent agile agora agree "
    "aid aim air airy alamo alarm albany alert alexander alight align alive alliance allied allison allure ally alpha "
    "alternate ambassador amber ambient ambition america american ample amplify amplitude analog anchor anderson anew "
    "angel angle apex apollo applicant application applied appointment appreciate apt aqua arbor arch archer arena "
    "argus array arrival arrow arrowhead arrowmark art article artificial artist ascendant ascent asia aspect aspen "
    "assembly asset assist assure astral athena athlete atlantic atlas atmos audit aurora authentic authority "
    "autonomous avenue award aware backlog baker bakery balance ball bancorp bandit bandwidth bank banker banner bark "
    "barnes baron barrel base basic basin basis bay bayou beach beacon beam bear beauty bell benchmark benefit "
    "bennett berkeley berkley berry best beta better beyond bid big bill biology bird black blend block bloom blue "
    "blueprint bluff boat bold bolt bond bone bonus boom boost boot boston bottom bounce boundless box brady branch "
    "brave bread break bridge bridger brief bright brighthouse brisk britain british broad brook brooklyn brown bruce "
    "brunswick bryant buckle buckley budget build building bull bullfrog bumble bunker burke burlington burn business "
    "busy butcher butler butterfly byline byrne cable cabot cactus caldwell caledonia california call calling calm "
    "cambridge camel cameron camp campus canada canadian canal candidate cannabis canopy cantaloupe canyon capable "
    "capacity capital captain car cardiff cardinal care career cargo carlisle carnival carolina carpenter carriage "
    "carrier carry carter cartesian carver cast castle catch cause cave cedar cell celsius center central century "
    "certain chain chairman champion chance chancellor change chapter charge charm chart charter check cheer chef "
    "cherry chicago chief childhood china chinese chip choice chord chorus church cincinnati cipher circle citizen "
    "citizenry city claim clark clarke class clay clean clear clerk clever client climb clipper clock close cloud "
    "clubhouse coach coast coastal code coffee coherence coherent coin cold cole coleman collector college collins "
    "columbia column comedy comet comfort command commander commerce commercial commissioner committee common "
    "community company compass complete compound computer comstock concept concord condition conduit conference "
    "confidence confluent connect consider consol consolidated constant consumer contact content contest context "
    "contract control cookie cool cooper copper copy copyright coral core corner corporation cosmos cotton council "
    "counsel country coupon courage course cousins covenant cover cox craft crane crash crawford create creator "
    "credit creek crescent crest crew crisis crisp critical cross crossing crowd crown crucial cruise crush crypto "
    "crystal cullen cullman culp culture cumberland cumulus curative curb currency current curtis curve custom "
    "customer cut cycle cyclone daily dakota dallas dance darden dare dark data date davis dawn day deal dealer dean "
    "death debt decide deck decree deep defense defi deficit definitive degree delaware delay deliver delta deluxe "
    "demand democracy dense density denver deposit depth desert design designer destiny detail detour detroit develop "
    "device dialogue diamond diet digital dignity dinner diodes direct director disco discount discover discovery "
    "dish dispatch display distance distinct district diverse diversified divide dixon dock doctor dole dollar "
    "dolphin domain dome domestic dominate dominion domo donaldson door double draft dragon dragonfly draw dream "
    "drive driver drop dual duke duncan dust duty dynamic eager eagle early earnest earth ease eastern easy echo "
    "eclipse economy edge editor edwards effect effort eight elastic elder electric electronic element elevate eleven "
    "elite elliott ellis embark embassy ember embrace emerald emerge emergent emerson eminent empire employer empty "
    "enable enact encompass encore endeavor endure energize energy engage engine engineer england enhance enjoy "
    "enrich ensign ensure enterprise entire entree entrust envelope envision eos epic epsilon equal equinox equitable "
    "equity era eros escalon escape esports esquire essence essential essex estate eternal eternity euro europe "
    "european evans even evening event evergreen every evidence evoke evolve exact example exceed excel excelerate "
    "excellent exchange expand expense expert explore exponent export express expression extend extra fabric face "
    "facet factor factory failure fair faith faithful falcon fall fame family famous far farewell farm farmer fashion "
    "fast fate favorable feather feature federal fence ferguson fern fiber fiction fidelity field fifth figure file "
    "fill film filter final finance finch find fine finish fire firm first fiscal fish fisher fit five fix flag flame "
    "flash flask flat fletcher flex flight float florida flow flower fluent flutter fly focus fold follow foot force "
    "forest forge form format former forte fortress fortunate fortune forum forward fossil foster foundation founder "
    "fountain four fourth fox fraction frame france franklin fraser free freedom freeman freight french frequency "
    "fresh friend frontier fuel fulcrum full fuller fun function fund fundamental fuse future gain galaxy gallery "
    "game gamma gap garden gardener gardner garrett gate gather gaucho gauge gear gem general generation genesis "
    "genetic genie genius gentle genuine georgia german germany getty ghost giant gibraltar gibson giga give glacier "
    "glad glass glen glimpse global globe glory glue go goal gold golden good gordon gorilla gossamer grab grace "
    "grade graham grand granite grant grape gravity gray great green greene greenland greenway greenwich gresham "
    "griffin grip group grove grow growth guard guardian guess guest guidance guide guild gulf gun gym habit hack "
    "hallmark hamilton hammer hampton hand hanover happy harbor harbour hard harmonic harmony harper harris harrison "
    "harrow hart hartford harvard harvest hat haven hawaiian hawk hawkeye hawkins hawthorn hayes head heal health "
    "healthy hear heart heat heavy height helios helium helix help hemp henderson henry herbert heritage hermes hero "
    "heron high highway highwire hill hillcrest hire hobby hold holistic holly holmes home honest honey hope horizon "
    "horn host hotel hour house houston hover howard hub hudson huge hughes human hundred hunt hunter huntington "
    "hurry hyper hyperion ice icon iconic idaho idea ideal identity ignite image imagine immense immerse imminent "
    "impact import improve impulse inch include income independent index india indian indiana indie indonesia indulge "
    "industrial industry infant infinite influence inform ingredient innate inner innovate innovation inside insider "
    "insight inspire inspired install instant instil instruct intact integer integral integrity intelligent intensity "
    "intent intercontinental interest interface interim interior internal international intuitive inverse invest "
    "investor invite iowa iridium iris iron ironwood island issue item ivy jackpot jackson jacobs jaguar james japan "
    "jasper jazz jefferson jenkins jersey jester jewel job johnson join joint joker jolly jones jordan journey joy "
    "jubilant judge jump junior juno jupiter just justice kansas keen keep kelly kennedy kent kentucky kernel key "
    "keystone kick kid kind kindly king kirby kiss kitchen kite knight knock knot knowledge knowles kodiak korea lab "
    "label labor ladder lake lakeland lamp land landmark lane language lantern large laser last latch late lateral "
    "latest lattice laugh launch laureate lava law lawn lawson layer lead leader leaf league lean leap learn lease "
    "lee leg legacy legal legend legible lemon lemonade lend lens leslie lesson let letter level lever lewis liberty "
    "library life lifetime lift light lighthouse lily lime limit limited lincoln lindsay line lineage linear link "
    "linkage lion liquid liquidity list literal lithium little live lively load loan local lock lodestar log logan "
    "logic logical london long look loop lose lottery lotus loud love lovely low lowell loyal lucid luck lucky ludwig "
    "luna lunch lynch macdonald machine madison magic magma magnet main maine mainstreet maison major make maker "
    "mammoth mango manhattan manner maple marathon marble march marcus margin marginal marine mark marker market mars "
    "marshal marshall martin maryland mason mass massive master mastermind matador match math matter matthews mature "
    "maverick maximum mayor meadow means measure medallion media medicine medium meet mega mellow member memory mend "
    "mentor menu mercer merchant mercury mere merge meridian merit mesa meta metal meteor method mexico michigan "
    "milan mild mile milestone milk millennium miller million mind mineral mingle minimum minister mink minnesota "
    "minor mint minute mirage mirror mission mississippi missouri mitchell mix mobile mobility mode model modern "
    "modest modular mohawk molecular moment momentum monday money monroe montana month mood moon moore moral morgan "
    "morning morris morrison mosaic motion motive motor mountain mouse mouth move movie mueller muller mural murphy "
    "murray museum music mustang mutual myers myriad mystery mystic nail name nano nascent nasdaq nation national "
    "native natural nature nautilus navigator neat nebraska needle neighbor nelson neo neon neptune nest network "
    "neutral nevada new newport newton next niagara nice nicholson nickel nimble nine noble nod node noise nomad noon "
    "normal norman north northern northwest northwestern norwood note notice nova novel novelist number numeric nurse "
    "oak oasis object obsidian ocean odd oddity odyssey offer office officer ohio oil oklahoma old olive oliver omega "
    "omni one onion only ontario onyx opal open operate opinion optimal optimum option orange orbit orchid order ore "
    "oregon organ organic origin original orion outdoor outer outfront outlook outset oven overseas owens owl own "
    "owner oxford pacific pack page paid paint pair palm pampa panda panel paper parade paradigm paradise paragon "
    "parallel parent paris parity park parker parsley parsons part partial partner party pasadena pass passage "
    "passion patch path pathway patrick patriot pattern patterson pause pay payment payne peabody peace peach peak "
    "pear pearl pebble peer pen penguin pennsylvania people peregrine perfect perform performance perimeter period "
    "perkins perry personal perspective peters phase philadelphia phillips phoenix phone photo phrase physical pick "
    "piece pier pierce pilot pine pineapple pink pinnacle pioneer pipe pitch pittsburgh pixel place plain plan plane "
    "planet plant plate platform play player plaza pleasant pleasure pliant plot plug plum plunge plus pluto plymouth "
    "pocket poem poet point polar polaris pole policy poll pond pool popcorn popular porch port portage portal porter "
    "portion portland position positive post postal pot potential potter pounce pound powder powell power practice "
    "prairie pratt prayer precise precision predictive prelude premier premium presence presidential press pressure "
    "prevail price pride primal primary prime prince princeton principal principle print priority prism prison "
    "private privia prize pro problem proceed process produce product professor profit program progress progressive "
    "project prologue prominent promise promoter proof propel proper property prophecy prospect prosper prosperity "
    "protect proto proud provide provident prudent prudential public pull pulse puma pump purchase pure purple "
    "purpose push puzzle pyramid quail quality quantity quantum quarry quarter quartz quebec queen quest question "
    "quick quiet quilt quince quinn quota quote race radar radiant radio radius rail rain rainbow raise rally ramp "
    "ranch randolph random range ranger rank rapid rare rate ratio raven raw ray raymond reach read ready real "
    "reality realize realm reason rebel rebellion rebound reckon recon record recover recruiter redhill redwood reed "
    "reef reflect reform refresh regal regard region regional register regular reign relate relation relay release "
    "reliability reliable reliance reliant relief rely remark remote renaissance renown rent repay report republic "
    "reputation request rescue research reserve reservoir reshape resolve resort resource respond rest restaurant "
    "result retail return reveal revenue revolution revolve reward reynolds rhythm ribbon rice rich richards "
    "richardson richmond riddle ride rider ridge rigel right rigid riley ring riot ripe rise rival river road roam "
    "roar roberts robertson robin robinson robot robust rock rocket rockwell rocky rogers role roll rollins rome roof "
    "room root rope rose ross rough round route routine royal royale rubicon ruby rug rule rumble run rural rush "
    "russell rust ryan sabre sack sacramento saddle safe safety sage sail sailor salad salem salon salt sand sanders "
    "sapiens sapphire satin saturn sauce savage savannah save saw scale scarf scene schedule scholar school science "
    "scientific scope score scotland scott scout scrape screen script sea seal search season seat seattle second "
    "secret sector secure security seed seek seer select selective sell send seneca senior sense sensei sentence "
    "sentinel sequence sequoia serene series serious serve service set settle settler seven shade shadow shanghai "
    "shape share shark sharp shaw sheep shelf shell shepherd sherman shield shift shine ship shoals shockwave shoe "
    "shop shore short shot show shower shrimp shuttle side sight sigma sign signal significance silence silent "
    "silicon silk silo silver simmons simon simple simpson sincere singapore singer single site six size ski skill "
    "skilled skin skip sky skyline slam slate sleek sleep slice slick slide slot small smart smile smith smoke smooth "
    "snail snap snow snowflake soap soccer social society sock soft soil solar solaris soldier sole solid solo "
    "solution solve sonder song sonnet sophia sort soul sound sour source south southern southside southwest space "
    "spar spark speak spec special specific spectral spectrum speed spencer sphere spider spin spire spirit split "
    "spokane spoon sport spot spray spring sprint sprout spruce square stability stable stack stadium staff stage "
    "stair stake stamp stand standard stanley staples star start state station status stay steady steel steer stella "
    "stellar stem step stephens sterling stevens stewart stick still stock stockton stoke stomach stone store storm "
    "story straight strap strategic strategy stream streamline street strength strict stride strike strip strive "
    "strong stronghold structure stuart student studio study stunning style subject sublime substance subtle succeed "
    "success sugar suit sullivan summit sun sunrise sunshine super superior supply support supreme sure surf surface "
    "surge surgery surprise survey surveyor survival sustain sutton sweeney sweep sweet swift swing switch sword "
    "sydney symbol symphony synergistic synergy system table tactical tactile tail tailor tale talent talk tall tampa "
    "tango tank tap tape tapestry targa target task taylor tea teacher team technology tectonic teen telephone tell "
    "tempest temple tender tenet tennessee tent term terminal terrific territory test tetra texas text thank theme "
    "theory therapeutic thing think thomas thompson thor thorn thought thread three thrive thumb thunder ticket tide "
    "tie tiger tilt timber time tiny tip tire titan title toast token tokyo toll tomorrow tone tool tooth top topic "
    "torch toronto total touch touchpoint tough tower town toy track trade trader tradition traffic trail train trans "
    "transfer transform transit transition trap trash travel traveler treasure treat tree trend trial triangle tribe "
    "tribune trick trident trillion trilogy trim trinity trio trip triumph trophy truck true trunk trust truth try "
    "tube tucker tucson tulsa tune tunnel turbo turn turner turnstone twelve twin twist two tyler type typical "
    "ultimate ultra umbrella unanimous uncle unicorn uniform unify union unique unit unite united unity universal "
    "universe university unlock unusual upland uplift upper upright uranium uranus urban urgent use useful usual utah "
    "utility vacation valiant valid valuable value vance variety various vast vault vector vega vehicle velocity vend "
    "vendor venture venus verb verde verge vermont verona version versus vertex vertical verve vessel veteran viable "
    "vibrant victor victory video view vigilant viking village vincent vine vintage violet viper virginia virtual "
    "virtue visible vision visionary visit vista vital vitality vivid voice volcano volume vote voter vowel voyage "
    "voyager vulcan wage wagner wagon wait wake walk walker wall wallace wallet walsh walter want ward warehouse warm "
    "warner warning warrant warren warrior warwick wash washington watch water watson watts wave wealth wear weather "
    "web webb webster wedding weed week weight welch welcome wellington wells werewolf west western westwater whale "
    "wheel wheeler whisper white whitney whole wide wild wilkins williams willis willow wilson win winchester wind "
    "window windsor wing winner winters wipe wire wisdom wise wish witness wolf wolverine woman women wonder wood "
    "woodward word work world worth worthington worthy wrap wright write wyatt wyoming yard year yellow yield york "
    "young youth zebra zenith zephyr zero zone zoom "
)
"""Words that show a company only with other evidence than a capital letter; plurals are understood."""

COINED_DESPITE_ENDING = _set("boeing corning nvent")
"""Names that end like everyday words."""

GIVEN_NAMES = _set(
    "aaron adam alan albert alex alexander alice amanda amy andrea andrew angela ann anna anne anthony arthur barbara "
    "ben benjamin bernard beth betty bill bob brad brandon brian bruce carl carla carlos carol caroline catherine "
    "charles charlie chris christina christine christopher claire craig cynthia dan daniel dave david dean deborah "
    "dennis diana diane don donald donna dorothy doug douglas ed eddie edward elizabeth ellen emily emma eric ernest "
    "eugene evelyn francis frank fred gary george gerald gina glenn gloria grace greg gregory hannah harold harrison "
    "harry heather helen henry howard ian isabel jack jacob james jane janet jason jay jean jeff jeffrey jennifer "
    "jeremy jerry jesse jessica jill jim jimmy joan joe joel john johnny jon jonathan jose joseph joshua joyce juan "
    "judith judy julia julie justin karen katherine kathleen kathy keith kelly ken kenneth kevin kim kyle larry laura "
    "lauren laurie lawrence leon leonard linda lisa louis lynn marc margaret maria marie marilyn martha martin mary "
    "matt matthew megan melissa michael michelle mike mitt nancy natalie nathan nicholas nick nicole nikola norman "
    "olivia pamela pat patricia patrick paul peter phil philip rachel ralph ray raymond rebecca richard rick robert "
    "roger ron ronald rose roy russell ruth ryan sam samantha samuel sandra sara sarah scott sean sharon shirley "
    "simon stan stanley stephanie stephen steve steven stuart sue susan suzanne ted teresa terry theodore theresa "
    "thomas tim timothy tina todd tom tony tracy tyler vanessa victor victoria vincent virginia walter warren wayne "
    "wendy william "
)

TITLES = _set(
    "captain dame dr gov governor judge justice messrs miss mr mrs ms president prof professor sen senator sir "
)

DETERMINERS = _set(
    "a all an another any both certain each every her his its key main my no one other our price pricing primary some "
    "specific such that the their these this those what which your"
)
"""Before an everyday word: the thing is meant and no company."""

POSSESSIVES = _set("any each every her his its my our that their this your")

BESIDE_NAMES = _set(
    "& after although analyst and april as at august before both but by ceo cfo chairman chairwoman chief class coo "
    "december director executive february for friday from however if in january july june like march may "
    "monday neither "
    "november october of on or president report retailer retailers saturday september shareholders shares since stock "
    "sunday the thursday tuesday under unlike wednesday when while with"
)
"""Words that stand beside a company's name with a capital and are no part of it."""

ABBREVIATIONS = {
    long: short
    for short, longs in {
        "amer": "america american americas",
        "assoc": "associates association assocs",
        "bncp": "bancorp bancorporation",
        "bro": "bros brothers",
        "chem": "chemical chemicals chems",
        "comm": "comms communicat communication communications",
        "ctr": "center centers ctrs",
        "dept": "department",
        "dev": "development developments",
        "elec": "elecs electric electrical electronic electronics",
        "engy": "energy",
        "ent": "entertainment",
        "enter": "enterprise enterprises enterprs",
        "env": "environmental",
        "fin": "finance financial fincl finl",
        "gen": "general genl",
        "hlth": "health healthcare",
        "ind": "inds industrial industries industry",
        "info": "information",
        "ins": "insurance",
        "intl": "inter international internatl",
        "lab": "laboratories laboratory labs",
        "mach": "machine machines machs",
        "mfg": "manufacturers manufacturing mfr",
        "mgmt": "management mgt",
        "mtl": "materials metals",
        "mtn": "mountain",
        "mtr": "motor motors mtrs",
        "natl": "national",
        "petro": "petroleum",
        "pharm": "pharma pharmac pharmaceutical pharmaceuticals",
        "prod": "prods product products",
        "prop": "properties property props",
        "res": "resource resources",
        "sci": "science sciences scientific",
        "semi": "semicon semiconductor semiconductors",
        "st": "saint",
        "svc": "service services svcs",
        "sys": "system systems",
        "tech": "technol technologies technology",
        "tele": "telecom telecomm telecommunications",
        "transp": "trans transport transportation",
        "util": "utilities utility",
    }.items()
    for long in (short, *longs.split())
}
"""What tapes and tables shorten, by the short form used for comparing."""
