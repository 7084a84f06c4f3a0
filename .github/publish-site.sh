#!/usr/bin/env bash
# Puts a built site into the branch gh-pages of origin, which has one commit:
#
#   publish-site.sh build/site next/     main's pages: takes the place of next/
#   publish-site.sh build/site ''        a release's: takes the place of everything else
set -euo pipefail
site=$(cd "$1" && pwd)
part=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# The files of the branch, without touching those of this checkout.
GIT_DIR=$(git rev-parse --absolute-git-dir)
export GIT_DIR GIT_WORK_TREE="$folder/pages" GIT_INDEX_FILE="$folder/index"
mkdir "$GIT_WORK_TREE"
cd "$GIT_WORK_TREE"
before=$(git ls-remote origin refs/heads/gh-pages | cut -f 1)
if [ -n "$before" ]; then
  git fetch -q origin gh-pages
  git read-tree FETCH_HEAD
  git checkout-index -q --all
fi
if [ -n "$part" ]; then
  rm -rf "./$part"
else
  find . -mindepth 1 -maxdepth 1 ! -name next -exec rm -rf {} +
fi
mkdir -p "./$part"
cp -R "$site/." "./$part"
# Until there is a release, its place leads to main's pages.
if [ ! -f index.html ]; then
  echo '<!doctype html><meta http-equiv="refresh" content="0; url=next/"><a href="next/">next</a>' \
    > index.html
fi
touch .nojekyll # names that begin with _ are pages too
git add --all --force
tree=$(git write-tree)
commit=$(git -c user.name=site -c user.email=site@localhost commit-tree -m "The site" "$tree")
# Fails where another run has been faster: it can be run again.
git push -q --force-with-lease="gh-pages:$before" origin "$commit:refs/heads/gh-pages"
