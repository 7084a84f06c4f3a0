#!/usr/bin/env bash
# Makes the release of a tag on GitHub, with the trained networks that are too large for the
# package. Each comes from the newest release that has it, this one first, and must have the SHA-256
# that the table names. Fails where no release has it, and says what to do.
#
#   attach-models.sh v0.1.0
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$1
table=src/model/models/table.ts
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! gh release view "$tag" > /dev/null 2>&1; then
  case $tag in *-*) kind=true ;; *) kind=false ;; esac
  gh release create "$tag" --verify-tag --prerelease=$kind --title "$tag" \
    --notes "https://github.com/$GITHUB_REPOSITORY/blob/$tag/CHANGELOG.md says what is new."
fi
missing=0
for name in $(sed -n "s/^const attached.*\[\(.*\)\]$/\1/p" $table | tr -d "',"); do
  file=$name.safetensors
  sum=$(sed -n "s/^  '*$name'*: '\([0-9a-f]*\)',$/\1/p" $table)
  found=''
  for release in "$tag" $(gh release list --json tagName --jq '.[].tagName'); do
    rm -f "$folder/$file"
    gh release download "$release" --pattern "$file" --dir "$folder" 2> /dev/null || continue
    if echo "$sum  $folder/$file" | shasum -a 256 --check --status; then
      found=$release
      break
    fi
  done
  if [ -z "$found" ]; then
    echo "::error::no release has $file with SHA-256 $sum: make it (CONTRIBUTING.md, Publish)," \
      "call gh release upload $tag $file, and run this job again"
    missing=1
  elif [ "$found" = "$tag" ]; then
    echo "$tag has $file"
  else
    gh release upload "$tag" "$folder/$file" --clobber
    echo "$tag has $file from $found"
  fi
done
exit $missing
