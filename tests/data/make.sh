#!/usr/bin/env bash
# Makes unicode.tsv from the Unicode Character Database's main table.
#
# make.sh [UnicodeData.txt]: without a file, the one of Debian's package unicode-data is read.
# Each line "1F600;GRINNING FACE;So;..." becomes "U+1F600<TAB>GRINNING FACE;So;...": the code
# point is the key, all other fields, as they are, the value. The order stays that of the source.
set -euo pipefail
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
source=${1:-/usr/share/unicode/UnicodeData.txt}
sed 's/^\([0-9A-F]*\);/U+\1\t/' "$source" >unicode.tsv
wc -lc unicode.tsv
