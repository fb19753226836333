"""Names that covers write out, and the codes that stand for them: states and provinces, exchanges, filers."""

from __future__ import annotations

_STATES = """
Alabama AL, Alaska AK, Arizona AZ, Arkansas AR, California CA, Colorado CO, Connecticut CT, Delaware DE,
District of Columbia DC, Florida FL, Georgia GA, Hawaii HI, Idaho ID, Illinois IL, Indiana IN, Iowa IA, Kansas KS,
Kentucky KY, Louisiana LA, Maine ME, Maryland MD, Massachusetts MA, Michigan MI, Minnesota MN, Mississippi MS,
Missouri MO, Montana MT, Nebraska NE, Nevada NV, New Hampshire NH, New Jersey NJ, New Mexico NM, New York NY,
North Carolina NC, North Dakota ND, Ohio OH, Oklahoma OK, Oregon OR, Pennsylvania PA, Rhode Island RI,
South Carolina SC, South Dakota SD, Tennessee TN, Texas TX, Utah UT, Vermont VT, Virginia VA, Washington WA,
West Virginia WV, Wisconsin WI, Wyoming WY, Puerto Rico PR, Guam GU, American Samoa AS, Virgin Islands VI,
U.S. Virgin Islands VI, Northern Mariana Islands MP, Washington D.C. DC, Alberta AB, British Columbia BC, Manitoba MB,
New Brunswick NB, Newfoundland NL, Newfoundland and Labrador NL, Nova Scotia NS, Ontario ON, Prince Edward Island PE,
Quebec QC, Saskatchewan SK, Yukon YT, Northwest Territories NT, Nunavut NU
"""
STATES = {
    name.lower(): code for name, _, code in (entry.strip().rpartition(" ") for entry in _STATES.strip().split(","))
}
EXCHANGES = (
    ("nyse american", "NYSEAMER"),
    ("nyse mkt", "NYSEAMER"),
    ("arca", "NYSEArca"),
    ("nyse chicago", "CHX"),
    ("chicago stock", "CHX"),
    ("nyse national", "NYSENAT"),
    ("nyse texas", "NYSETX"),
    ("nasdaq bx", "BX"),
    ("boston stock", "BX"),
    ("phlx", "Phlx"),
    ("philadelphia stock", "Phlx"),
    ("nasdaq", "NASDAQ"),
    ("cboe bzx", "CboeBZX"),
    ("cboe byx", "CboeBYX"),
    ("investors exchange", "IEX"),
    ("long-term stock", "LTSE"),
    ("new york stock exchange", "NYSE"),
    ("nyse", "NYSE"),
)
"""Words of an exchange's name with its code; the first that fits counts."""
FILER_CATEGORIES = {
    "large accelerated filer": "Large Accelerated Filer",
    "accelerated filer": "Accelerated Filer",
    "non accelerated filer": "Non-accelerated Filer",
}
