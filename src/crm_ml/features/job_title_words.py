"""Words of job titles, German and English, as data: what `job_titles` looks for and in which order.

A pattern stands for one word in small letters, `*` for any letters: `*einkauf*` is found in every compound. Umlauts are
written as umlauts; texts with ae, a or nothing in their place are found all the same. In each table the first pattern
that fits a word decides about that word.
"""

from __future__ import annotations

# (function, strength, patterns): the strongest word of a title decides about its function; among equals the first one
FUNCTION_WORDS: tuple[tuple[str, int, str], ...] = (
    # words that contain the name of another function
    ("office", 2, "personalassist* executiveassist* managementassist*"),
    ("it", 2, "*software* *webentwickl* webdevelop* productowner* datascien*"),
    ("hr", 2, "personalentwick* organisationsentwick*"),
    ("sales", 2, "businessdevelop* geschäftsentwick* geschäftsfeldentwick* marktentwick*"),
    ("marketing", 2, "marktforsch* *grafikdesign* graphicdesign* webdesign* *produktm* productmanag*"),
    ("marketing", 2, "productmarketing*"),
    ("engineering", 2, "rd fue *forschung* *anwendungstechni* projektingenieur* projectengineer*"),
    ("production", 2, "*produktionsing* industrialengineer* *prozess* process* *betriebsmittel*"),
    ("logistics", 2, "*produktionslogist*"),
    ("finance", 2, "*controller* *controlling* *steuerberat* *wirtschaftsprüf*"),
    ("legal", 2, "*datenschutz* dsb *anwalt* *anwält* *patent*"),
    ("other", 1, "*arbeitssicherheit* *umwelt* *betriebsrat* *betriebsrät* bürgermeister* *nachhaltig* hse ehs sifa"),
    ("maintenance", 2, "*betriebstechnik* *elektriker* elektromeister* *mechatroni*"),
    ("management", 0, "management"),
    # the areas of a firm
    ("quality", 2, "*qualität* quality qs qm qmb qsb qa qc qhse auditor* prüfer* *prüftechn* *messtechn*"),
    ("purchasing", 2, "*einkauf* *einkäuf* ekl ek *beschaff* purchas* purch procur* *buyer* *sourcing* category*"),
    ("purchasing", 2, "cpo *lieferantenm*"),
    ("maintenance", 2, "*instandhalt* maintenance *wartung* fieldservice* *servicetechn* *servicemonteur*"),
    ("maintenance", 2, "hausmeister* *haustechn* facilit* *gebäude* electrician* *reparatur*"),
    ("logistics", 2, "*logisti* supplychain* scm *versand* *transport* *dispo* *warehous* *fuhrpark* *materialwirt*"),
    ("logistics", 2, "lager lageri* lagerleit* lagermit* lagerver* lagerfach* *spedition* zoll* shipping* inventory"),
    ("logistics", 2, "stock demand dispatch* wareneing* warenausg* kommissionier* stapler* distribution*"),
    ("logistics", 2, "*kraftfahrer* driver*"),
    ("production", 2, "*produktion* *fertigung* *montage* *monteur* production* manufactur* werk*leit* plant*"),
    ("production", 2, "factory* *werkzeugbau* *formenbau* *schaltschrankbau* *arbeitsvorber* av zerspan* cnc"),
    ("production", 2, "betriebsleit* *fräser* *dreher* *schweiß* *maschinenbedien* *maschinenführ* *anlagenführ*"),
    ("production", 2, "*schicht* shift* *spritzg* *gießer* lean kvp industriemeister* vorarbeiter* *schlosser*"),
    ("production", 2, "*lackier* werk operations machine* machinist* assembly toolmaker* werkzeugmach* welder*"),
    ("production", 2, "scheduler*"),
    ("engineering", 2, "*konstruk* *entwickl* development design *designer* cad *zeichner* cto elektroplan*"),
    ("engineering", 2, "*steuerung* *innovation* hardware* *versuch* sps plc"),
    ("sales", 2, "*vertrieb* *verkauf* *verkäuf* sales* presales* vl *außendienst* *innendienst* adm vad kam cso"),
    ("sales", 2, "cro cco insidesales keyaccount* accountmanag* accountexec* *export* customer* *kundenbetreu*"),
    ("sales", 2, "*kundenberat* revenue *kundenservice* *kundenmanag* gebiets* bezirks* area account *handelsvertr*"),
    ("sales", 2, "auftrags* *angebots* *einzelhandel* commercial"),
    ("marketing", 2, "*marketing* *kommunikation* communication* pr presse* brand* socialmedia* content* event* cmo"),
    ("marketing", 2, "mediengestalt* werbung* campaign* community*"),
    ("finance", 2, "*finan* *buchhalt* rechnungsw* accountant* accounting accounts bookkeep* treasur* steuer* tax"),
    ("finance", 2, "*revision* fibu debitor* kreditor* *bilanz* cfo credit*"),
    ("hr", 2, "personal* hr hrm human* people recruit* *talent* ausbild* *weiterbild* payroll lohn* personnel chro"),
    ("it", 2, "it edv ikt *informatik* sap erp developer* data daten* cyber* *netzwerk* network* cloud* devops web"),
    ("it", 2, "cio cdo ciso *programmier* programmer* sysadmin* systemadmin* helpdesk scrum* ki ai itleit*"),
    ("legal", 2, "recht rechts* legal *jurist* justiziar* justitiar* syndikus* lawyer* attorney *counsel compliance"),
    ("legal", 2, "privacy notar*"),
    ("research", 2, "*wissenschaft* wiss *research* doktorand* *scientist* *forscher* professor* hochschul*"),
    ("research", 2, "universit* dozent* *chemiker* chemist* *physiker* physicist* lecturer*"),
    ("project", 2, "*projekt* project* pmo pm program programme bauleit*"),
    ("management", 2, "ceo coo gf gl md *chäftsfü* geschäftfü* *geschäftsl* *vorstand* *vorständ* *inhaber* inh"),
    ("management", 2, "*eigentümer* *gründer* founder* cofounder* owner* *gesellschafter* managingdirect*"),
    ("management", 2, "managingpartn* generalmanag* *unternehmer* entrepreneur* juniorchef* seniorchef* firmenchef*"),
    # words that say little beside another
    ("maintenance", 1, "*service* *kundendienst* *mechaniker* *elektroniker* *werkstatt* aftersales*"),
    ("research", 1, "labor laborleit* laborant* labormit* lab laboratory"),
    ("it", 1, "*digital* *admin administrator* information* system systems"),
    ("logistics", 1, "material materials"),
    ("marketing", 0, "product products produkt produkte"),
    ("engineering", 1, "*ingenieur* *engineer* *technik* techn technisch* technical technician* technolog*"),
    ("engineering", 1, "mechanical electrical *architekt* architect* maschinenbau* anlagenbau* *planer*"),
    ("engineering", 1, "*elektronik* automati*"),
    ("other", 1, "*berater* *beratung* consult* *lehrer* teacher* journalist* redakteur* *landwirt* farmer* *arzt*"),
    ("other", 1, "*ärztin* *trainer* coach* freelanc* freiberuf* *makler* sustainab* sicherheitsb* other"),
    ("sales", 1, "regional* region"),
    ("office", 1, "office* *sekret* secretar* empfang* reception* büro* *kaufmann* *kauffrau* *kaufleute*"),
    ("office", 1, "teamassist* kaufmännisch* kaufm kfm verwaltung* administration administrative backoffice"),
    ("management", 1, "*präsident* president chairman* chairwoman* board aufsichtsr* komplementär* selbständ*"),
    ("management", 1, "selbstständ*"),
    ("office", 0, "*sachbearbeit* *betriebswirt*"),
    ("management", 0, "chef chefin partner *niederlassung* *standort* branch* filial* geschäftsstell* prok* ppa"),
    ("management", 0, "vicepresident* strateg* *bevollm* geschäftsbereich* businessunit* beirat*"),
    ("production", 0, "*meister meisterin foreman* betrieb betriebs"),
    ("engineering", 0, "dipling ing"),
)

# (rank, patterns): seniorities, and three that `job_titles` decides in context: none, staff, manager
SENIORITY_WORDS: tuple[tuple[str, str], ...] = (
    ("none", "leiterplatt* *halbleiter* *stellvertret* *rohrleitung* leitungsbau* *begleit* bürgermeister*"),
    ("assistant", "*assist* assi *sekret* secretar* aushilf* *helfer*"),
    ("trainee", "azubi* auszubild* *lehrling* *praktikant* praktikum werkstud* *student* studium trainee* intern"),
    ("trainee", "internship* apprentice* doktorand* volontär* diplomand* masterand* bachelorand* referendar*"),
    ("trainee", "schüler*"),
    ("staff", "*mitarbeit* ma *referent* *sachbearbeit* sb *angestellt*"),
    ("specialist", "hausmeister* *maschinenführ* *anlagenführ* staplerf* kranf* *produktmanager* productmanager*"),
    ("specialist", "categorymanager* brandmanager* contentmanager* eventmanager* communitymanager*"),
    ("specialist", "socialmediamanager* productowner* processowner* businesspartner* kam adm vad"),
    ("executive", "ceo cfo cto coo cio cmo cso cpo cro chro cdo ciso chief gf gl md *chäftsfü* geschäftfü*"),
    ("executive", "geschäftsleit* *vorstand* *vorständ* *inhaber* inh *eigentümer* *gründer* founder* cofounder*"),
    ("executive", "owner* *gesellschafter* managingdirect* managingpartn* generalmanag* partner *unternehmer* chef"),
    ("executive", "chefin *präsident* president chairman* chairwoman* board aufsichtsr* komplementär* selbständ*"),
    ("executive", "selbstständ* generalbevoll* beirat* cco entrepreneur* juniorchef* seniorchef* firmenchef*"),
    ("lead", "*teamleit* *gruppenleit* *schichtleit* *projektleit* bauleit* gebiets*leit* regionalleit*"),
    ("lead", "bezirksleit* tl pm *meister* *schichtführ* *teamführ* *vorarbeit* polier* *supervisor* foreman*"),
    ("lead", "teamlead* lead leader*"),
    ("head", "*leiter* *leitung leitend* ltg ltr *direktor* director* dir head vp svp evp avp vicepresident*"),
    ("head", "prokur* prok ppa *bevollm* chef* *chef vl ekl plantmanager* branchmanager* sitemanager*"),
    ("head", "chiefengineer* generalcounsel"),
    ("manager", "*manager* mgr"),
    ("specialist", "*außendienst* *innendienst* insidesales *beauftragt* qmb qsb dsb officer* specialist*"),
    ("specialist", "*spezialist* expert* *fachkraft* *koordinat* coordinator* *engineer* *ingenieur* dipling ing"),
    ("specialist", "technician* *techniker* analyst* associate operator* *berater* consultant* representative*"),
    ("specialist", "agent* *disponent* *arzt* *ärztin* *landwirt* counsel *anwalt* *anwält* professor* *vertreter*"),
    ("specialist", "architect* *architekt* accountexec* salesexec* planner* inspector* rep"),
)

# words that belong together and are read as one; a regular expression over small letters without umlauts
JOINED = (
    r"supply chain|inside sales|human resources?|vice president|managing (?:director|partner)|general manager"
    r"|field service|(?:business|web) (?:development|developer)|customer (?:service|care|support|success)"
    r"|business partner|(?:key )?account manag\w+|key account|(?:account|sales) executive|business unit"
    r"|general counsel|after sales|tool maker|social media manag\w+|graphic design\w*|data scien\w+"
    r"|(?:product|category|brand|content|event|community) manag\w+|(?:product|process) owner|product marketing"
    r"|(?:plant|branch|site) manager|(?:personal|executive|management) assist\w+|chief engineer"
    r"|industrial engineer\w*|proje[ck]t (?:engineer|ingenieur)\w*|system admin\w*|team lead"
)

# a regular expression over the same and what stands for it
REPLACED: tuple[tuple[str, str], ...] = (
    (r"dipl(?:om)? (?:wirtsch(?:afts)? )?ing\b", "dipling"),
    (r"dipl(?:om)? \w+", ""),
    (r"(?:f|r) (?:und |and |u )?(?:e|d)\b|forschungs? (?:und )?entwicklungs?\b|research (?:and )?development", "rd"),
    (r"pa to\b", "personalassistant"),
    (r"executive director", "managingdirector"),
    (r"chef (?=\w+(?:er|eur)(?:in)?\b)", "chef"),
    (r"phd (?:student|candidate)", "doktorand"),
    (r"chief executive(?: officer)?", "ceo"),
    (r"chief operating(?: officer)?", "coo"),
    (r"chief information(?: officer)?", "cio"),
    (r"lead (?=buyer|engineer|developer|designer|architect|consultant|auditor)", ""),
    # who runs the commercial side of a firm runs its finances
    (r"(?:kaufmannisch\w*|kaufm|kfm) (?=(?!geschaft)\w*leit|ltg|ltr|direktor)", "finanzen "),
    (r"(?<!\w)(leit\w+|ltg|ltr) (?:der )?(?:kaufmannisch\w*|kaufm|kfm)", r"\1 finanzen"),
)
