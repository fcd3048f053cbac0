#!/bin/sh
# Draws every picture of in/ with so many strokes and puts it into out/.
factor=${CHARCOAL_FACTOR:-1}
strokes=$(printf '%*s' "$factor" '' | tr ' ' '#')
count=0
for picture in in/*.txt; do
    [ -e "$picture" ] || continue
    echo "$strokes$(cat "$picture")$strokes" > "out/${picture#in/}"
    count=$((count + 1))
done
echo "info: factor $factor, $count pictures"
echo "info: factor $factor, $count pictures" >> logs/all.log
