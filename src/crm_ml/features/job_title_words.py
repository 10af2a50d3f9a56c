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
    ("marketing", 2, "marktforsch* *grafikdesign* graphicdesign* webdesign* *produktm* productmanag* productmarketing*"),
    ("engineering", 2, "fue *forschung* *anwendungstechni* projektingenieur* projectengineer*"),
    ("production", 2, "*produktionsing* industrialengineer* *prozess* process* *betriebsmittel*"),
    ("logistics", 2, "*produktionslogist*"),
    ("finance", 2, "*controller* *controlling* *steuerberat* *wirtschaftsprüf*"),
    ("legal", 2, "*datenschutz* dsb *anwalt* *anwält* *patent*"),
    ("other", 1, "*arbeitssicherheit* *umwelt* *betriebsrat* *betriebsrät* bürgermeister* *nachhaltig* hse ehs sifa"),
    ("maintenance", 2, "*betriebstechnik* *elektriker* elektromeister* *mechatroni*"),
    ("management", 0, "management"),
    # the areas of a firm
    ("quality", 2, "*qualität* quality qs qm qmb qsb qa qc qhse auditor* prüfer* *prüftechn* *messtechn*"),
    ("purchasing", 2, "*einkauf* *einkäuf* ekl ek *beschaff* purchas* purch procur* *buyer* *sourcing* category* cpo"),
    ("purchasing", 2, "*lieferantenm*"),
    ("maintenance", 2, "*instandhalt* maintenance *wartung* fieldservice* *servicetechn* *servicemonteur* hausmeister*"),
    ("maintenance", 2, "*haustechn* facilit* *gebäude* electrician* *reparatur*"),
    ("logistics", 2, "*logisti* supplychain* scm *versand* *transport* *dispo* *warehous* *fuhrpark* *materialwirt*"),
    ("logistics", 2, "lager lageri* lagerleit* lagermit* lagerver* lagerfach* *spedition* zoll* shipping* inventory"),
    ("logistics", 2, "wareneing* warenausg* kommissionier* stapler* distribution* *kraftfahrer* driver*"),
    ("production", 2, "*produktion* *fertigung* *montage* *monteur* production* manufactur* werk*leit* plant* factory"),
    ("production", 2, "*werkzeugbau* *formenbau* *schaltschrankbau* *arbeitsvorber* av zerspan* cnc betriebsleit*"),
    ("production", 2, "*fräser* *dreher* *schweiß* *maschinenbedien* *maschinenführ* *anlagenführ* *schicht* shift*"),
    ("production", 2, "*spritzg* *gießer* lean kvp industriemeister* vorarbeiter* *schlosser* *lackier* werk"),
    ("production", 2, "operations machine* machinist* assembly"),
    ("engineering", 2, "*konstruk* *entwickl* development design *designer* cad *zeichner* cto elektroplan* *steuerung*"),
    ("engineering", 2, "*innovation* hardware* *versuch*"),
    ("sales", 2, "*vertrieb* *verkauf* *verkäuf* sales* presales* vl *außendienst* *innendienst* adm vad kam cso cro"),
    ("sales", 2, "keyaccount* accountmanag* accountexec* *export* customer* *kundenbetreu* *kundenberat* revenue"),
    ("sales", 2, "*kundenservice* *kundenmanag* gebiets* area *handelsvertr* auftrags* *angebots* *einzelhandel* commercial"),
    ("marketing", 2, "*marketing* *kommunikation* communication* pr presse* brand* socialmedia* content* event* cmo"),
    ("marketing", 2, "mediengestalt* werbung* campaign* community*"),
    ("finance", 2, "*finan* *buchhalt* rechnungsw* accountant* accounting accounts bookkeep* treasur* steuer* tax"),
    ("finance", 2, "*revision* fibu debitor* kreditor* *bilanz* cfo credit*"),
    ("hr", 2, "personal* hr hrm human* people recruit* *talent* ausbild* *weiterbild* payroll lohn* personnel chro"),
    ("it", 2, "it edv ikt *informatik* sap erp developer* data daten* cyber* *netzwerk* network* cloud* devops web"),
    ("it", 2, "cio cdo ciso *programmier* programmer* sysadmin* systemadmin* helpdesk scrum* ki ai itleit*"),
    ("legal", 2, "recht rechts* legal *jurist* justiziar* justitiar* syndikus* lawyer* attorney counsel compliance"),
    ("legal", 2, "privacy notar*"),
    ("research", 2, "*wissenschaft* wiss *research* doktorand* *scientist* *forscher* professor* hochschul*"),
    ("research", 2, "universit* dozent* *chemiker* chemist* *physiker* physicist* lecturer*"),
    ("project", 2, "*projekt* project* pmo pm program programme bauleit*"),
    ("management", 2, "ceo coo gf gl md *geschäftsf* *geschäftsl* *vorstand* *vorständ* *inhaber* inh *eigentümer*"),
    ("management", 2, "*gründer* founder* cofounder* owner* *gesellschafter* managingdirect* managingpartn* generalmanag*"),
    ("management", 2, "unternehmer*"),
    # words that say little beside another
    ("maintenance", 1, "*service* *kundendienst* *mechaniker* *elektroniker* *werkstatt* aftersales*"),
    ("research", 1, "labor laborleit* laborant* labormit* lab laboratory"),
    ("it", 1, "*digital* *admin administrator* information* system systems"),
    ("marketing", 1, "product products produkt produkte"),
    ("engineering", 1, "*ingenieur* *engineer* *technik* techn technisch* technical technician* technolog* mechanical"),
    ("engineering", 1, "electrical *architekt* architect* maschinenbau* anlagenbau* *planer* *elektronik* automati*"),
    ("other", 1, "*berater* *beratung* consult* *lehrer* teacher* journalist* redakteur* *landwirt* farmer* *arzt*"),
    ("other", 1, "*ärztin* *trainer* coach* freelanc* freiberuf* *makler* sustainab* sicherheitsb* other"),
    ("sales", 1, "regional* region"),
    ("office", 1, "office* *sekret* secretar* empfang* reception* büro* *kaufmann* *kauffrau* *kaufleute* teamassist*"),
    ("office", 1, "kaufmännisch* kfm verwaltung* administration administrative backoffice"),
    ("management", 1, "*präsident* president chairman* chairwoman* board aufsichtsr* komplementär* selbständ* selbstständ*"),
    ("office", 0, "*sachbearbeit*"),
    ("management", 0, "chef chefin partner *niederlassung* *standort* branch* filial* geschäftsstell* prok* ppa"),
    ("management", 0, "vicepresident* strateg*"),
    ("engineering", 0, "dipling ing"),
)

# (rank, patterns): seniorities, and three that `job_titles` decides in context: none, staff, manager
SENIORITY_WORDS: tuple[tuple[str, str], ...] = (
    ("none", "leiterplatt* *halbleiter* *stellvertret* *rohrleitung* leitungsbau* *begleit* bürgermeister*"),
    ("assistant", "*assist* assi *sekret* secretar* aushilf* *helfer*"),
    ("trainee", "azubi* auszubild* *lehrling* *praktikant* praktikum werkstud* *student* studium trainee* intern"),
    ("trainee", "internship* apprentice* doktorand* volontär* diplomand* masterand* bachelorand* referendar*"),
    ("staff", "*mitarbeit* ma *referent* *sachbearbeit* sb angestellt*"),
    ("specialist", "hausmeister* *maschinenführ* *anlagenführ* staplerf* kranf* *produktmanager* productmanager*"),
    ("specialist", "categorymanager* brandmanager* contentmanager* eventmanager* communitymanager* socialmediamanager*"),
    ("specialist", "productowner* processowner* businesspartner* kam adm vad"),
    ("executive", "ceo cfo cto coo cio cmo cso cpo cro chro cdo ciso chief gf gl md *geschäftsf* geschäftsleit*"),
    ("executive", "*vorstand* *vorständ* *inhaber* inh *eigentümer* *gründer* founder* cofounder* owner* *gesellschafter*"),
    ("executive", "managingdirect* managingpartn* generalmanag* partner unternehmer* chef chefin *präsident* president"),
    ("executive", "chairman* chairwoman* board aufsichtsr* komplementär* selbständ* selbstständ* generalbevoll*"),
    ("lead", "*teamleit* *gruppenleit* *schichtleit* *projektleit* bauleit* gebiets*leit* tl pm *meister*"),
    ("lead", "*schichtführ* *teamführ* *vorarbeit* polier* *supervisor* foreman* teamlead* lead leader*"),
    ("head", "*leiter* *leitung leitend* ltg ltr *direktor* director* dir head vp svp evp avp vicepresident*"),
    ("head", "prokur* prok ppa chef* *chef vl ekl plantmanager* branchmanager* sitemanager* chiefengineer*"),
    ("manager", "*manager* mgr"),
    ("specialist", "*außendienst* *innendienst* *beauftragt* qmb qsb dsb officer* specialist* *spezialist* expert*"),
    ("specialist", "*fachkraft* *koordinat* coordinator* *engineer* *ingenieur* dipling ing technician* *techniker*"),
    ("specialist", "analyst* *berater* consultant* representative* agent* *disponent* *arzt* *ärztin* *landwirt*"),
    ("specialist", "counsel *anwalt* *anwält* professor* *vertreter* architect* *architekt* accountexec* planner*"),
)

# words that belong together and are read as one; a regular expression over small letters without umlauts
JOINED = (
    r"supply chain|human resources?|vice president|managing (?:director|partner)|general manager|field service"
    r"|(?:business|web) (?:development|developer)|customer (?:service|care|support|success)|business partner"
    r"|(?:key )?account (?:manag\w+|executive)|key account|social media manag\w+|graphic design\w*|data scien\w+"
    r"|(?:product|category|brand|content|event|community) manag\w+|(?:product|process) owner|product marketing"
    r"|(?:plant|branch|site) manager|(?:personal|executive|management) assist\w+|chief engineer|industrial engineer\w*"
    r"|proje[ck]t (?:engineer|ingenieur)\w*|system admin\w*|team lead"
)

# a regular expression over the same and what stands for it
REPLACED: tuple[tuple[str, str], ...] = (
    (r"dipl(?:om)? (?:wirtsch(?:afts)? )?ing\b", "dipling"),
    (r"dipl(?:om)? \w+", ""),
    (r"(?:f|r) (?:und |and |u )?(?:e|d)\b|forschungs? (?:und )?entwicklungs?\b|research (?:and )?development", "fue"),
    (r"phd (?:student|candidate)", "doktorand"),
    (r"chief executive(?: officer)?", "ceo"),
    (r"chief operating(?: officer)?", "coo"),
    (r"chief information(?: officer)?", "cio"),
    (r"lead (?=buyer|engineer|developer|designer|architect|consultant|auditor)", ""),
    # who runs the commercial side of a firm runs its finances
    (r"(?:kaufmannisch\w*|kfm) (?=(?!geschaft)\w*leit|ltg|ltr|direktor)", "finanzen "),
    (r"(?<!\w)(leit\w+|ltg|ltr) (?:der )?(?:kaufmannisch\w*|kfm)", r"\1 finanzen"),
)
