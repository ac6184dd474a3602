/* SPDX-License-Identifier: Apache-2.0
 * decode_entity.c - the HTML entities that names, addresses and numbers are written with (WHATWG HTML, 13.5). */
#include <string.h>

#include "privacy/decode.h"

enum { NAME_MAX = 8 };

struct entity {
    char name[NAME_MAX + 1];
    uint16_t code;
};

/* Sorted by the bytes of their names. */
static const struct entity entities[] = {
    { "AElig", 0xC6 },    { "Aacute", 0xC1 },   { "Abreve", 0x102 }, { "Acirc", 0xC2 },    { "Agrave", 0xC0 },
    { "Amacr", 0x100 },   { "Aogon", 0x104 },   { "Aring", 0xC5 },   { "Atilde", 0xC3 },   { "Auml", 0xC4 },
    { "Cacute", 0x106 },  { "Ccaron", 0x10C },  { "Ccedil", 0xC7 },  { "Dcaron", 0x10E },  { "Dstrok", 0x110 },
    { "ETH", 0xD0 },      { "Eacute", 0xC9 },   { "Ecaron", 0x11A }, { "Ecirc", 0xCA },    { "Egrave", 0xC8 },
    { "Emacr", 0x112 },   { "Eogon", 0x118 },   { "Euml", 0xCB },    { "Gbreve", 0x11E },  { "Hat", 0x5E },
    { "Iacute", 0xCD },   { "Icirc", 0xCE },    { "Idot", 0x130 },   { "Igrave", 0xCC },   { "Imacr", 0x12A },
    { "Iuml", 0xCF },     { "Lstrok", 0x141 },  { "Nacute", 0x143 }, { "Ncaron", 0x147 },  { "NewLine", 0xA },
    { "Ntilde", 0xD1 },   { "OElig", 0x152 },   { "Oacute", 0xD3 },  { "Ocirc", 0xD4 },    { "Odblac", 0x150 },
    { "Ograve", 0xD2 },   { "Oslash", 0xD8 },   { "Otilde", 0xD5 },  { "Ouml", 0xD6 },     { "Rcaron", 0x158 },
    { "Sacute", 0x15A },  { "Scaron", 0x160 },  { "Scedil", 0x15E }, { "THORN", 0xDE },    { "Tab", 0x9 },
    { "Tcaron", 0x164 },  { "Uacute", 0xDA },   { "Ucirc", 0xDB },   { "Udblac", 0x170 },  { "Ugrave", 0xD9 },
    { "Umacr", 0x16A },   { "Uring", 0x16E },   { "Uuml", 0xDC },    { "Yacute", 0xDD },   { "Yuml", 0x178 },
    { "Zacute", 0x179 },  { "Zcaron", 0x17D },  { "Zdot", 0x17B },   { "aacute", 0xE1 },   { "abreve", 0x103 },
    { "acirc", 0xE2 },    { "acute", 0xB4 },    { "aelig", 0xE6 },   { "agrave", 0xE0 },   { "amacr", 0x101 },
    { "amp", 0x26 },      { "aogon", 0x105 },   { "apos", 0x27 },    { "aring", 0xE5 },    { "ast", 0x2A },
    { "atilde", 0xE3 },   { "auml", 0xE4 },     { "brvbar", 0xA6 },  { "bsol", 0x5C },     { "bull", 0x2022 },
    { "cacute", 0x107 },  { "ccaron", 0x10D },  { "ccedil", 0xE7 },  { "cedil", 0xB8 },    { "cent", 0xA2 },
    { "colon", 0x3A },    { "comma", 0x2C },    { "commat", 0x40 },  { "copy", 0xA9 },     { "curren", 0xA4 },
    { "dash", 0x2010 },   { "dcaron", 0x10F },  { "deg", 0xB0 },     { "divide", 0xF7 },   { "dollar", 0x24 },
    { "dstrok", 0x111 },  { "eacute", 0xE9 },   { "ecaron", 0x11B }, { "ecirc", 0xEA },    { "egrave", 0xE8 },
    { "emacr", 0x113 },   { "emsp", 0x2003 },   { "ensp", 0x2002 },  { "eogon", 0x119 },   { "equals", 0x3D },
    { "eth", 0xF0 },      { "euml", 0xEB },     { "excl", 0x21 },    { "frac12", 0xBD },   { "frac14", 0xBC },
    { "frac34", 0xBE },   { "gbreve", 0x11F },  { "grave", 0x60 },   { "gt", 0x3E },       { "hellip", 0x2026 },
    { "horbar", 0x2015 }, { "hyphen", 0x2010 }, { "iacute", 0xED },  { "icirc", 0xEE },    { "iexcl", 0xA1 },
    { "igrave", 0xEC },   { "imacr", 0x12B },   { "imath", 0x131 },  { "inodot", 0x131 },  { "iquest", 0xBF },
    { "iuml", 0xEF },     { "laquo", 0xAB },    { "lbrack", 0x5B },  { "lcub", 0x7B },     { "ldquo", 0x201C },
    { "lowbar", 0x5F },   { "lpar", 0x28 },     { "lsqb", 0x5B },    { "lsquo", 0x2018 },  { "lstrok", 0x142 },
    { "lt", 0x3C },       { "macr", 0xAF },     { "mdash", 0x2014 }, { "micro", 0xB5 },    { "middot", 0xB7 },
    { "minus", 0x2212 },  { "nacute", 0x144 },  { "nbsp", 0xA0 },    { "ncaron", 0x148 },  { "ndash", 0x2013 },
    { "not", 0xAC },      { "ntilde", 0xF1 },   { "num", 0x23 },     { "oacute", 0xF3 },   { "ocirc", 0xF4 },
    { "odblac", 0x151 },  { "oelig", 0x153 },   { "ograve", 0xF2 },  { "ordf", 0xAA },     { "ordm", 0xBA },
    { "oslash", 0xF8 },   { "otilde", 0xF5 },   { "ouml", 0xF6 },    { "para", 0xB6 },     { "percnt", 0x25 },
    { "period", 0x2E },   { "plus", 0x2B },     { "plusmn", 0xB1 },  { "pound", 0xA3 },    { "quest", 0x3F },
    { "quot", 0x22 },     { "raquo", 0xBB },    { "rbrack", 0x5D },  { "rcaron", 0x159 },  { "rcub", 0x7D },
    { "rdquo", 0x201D },  { "reg", 0xAE },      { "rpar", 0x29 },    { "rsqb", 0x5D },     { "rsquo", 0x2019 },
    { "sacute", 0x15B },  { "sbquo", 0x201A },  { "scaron", 0x161 }, { "scedil", 0x15F },  { "sect", 0xA7 },
    { "semi", 0x3B },     { "shy", 0xAD },      { "sol", 0x2F },     { "sup1", 0xB9 },     { "sup2", 0xB2 },
    { "sup3", 0xB3 },     { "szlig", 0xDF },    { "tcaron", 0x165 }, { "thinsp", 0x2009 }, { "thorn", 0xFE },
    { "times", 0xD7 },    { "uacute", 0xFA },   { "ucirc", 0xFB },   { "udblac", 0x171 },  { "ugrave", 0xF9 },
    { "umacr", 0x16B },   { "uml", 0xA8 },      { "uring", 0x16F },  { "uuml", 0xFC },     { "verbar", 0x7C },
    { "yacute", 0xFD },   { "yen", 0xA5 },      { "yuml", 0xFF },    { "zacute", 0x17A },  { "zcaron", 0x17E },
    { "zdot", 0x17C },    { "zwj", 0x200D },    { "zwnj", 0x200C },
};

uint32_t dv_entity_named(const unsigned char *name, uint32_t length)
{
    char key[NAME_MAX + 1] = { 0 };
    size_t low = 0, high = sizeof entities / sizeof *entities;
    if (length == 0 || length > NAME_MAX)
        return 0;
    memcpy(key, name, length);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(key, entities[middle].name);
        if (order == 0)
            return entities[middle].code;
        low = order > 0 ? middle + 1 : low;
        high = order > 0 ? high : middle;
    }
    return 0;
}
