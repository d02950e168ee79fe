#!/usr/bin/env bash
# Merges the pull request PULL_REQUEST at the commit HEAD_SHA, on which ci has succeeded, if it may merge itself.
# Needs gh with GH_TOKEN and GH_REPO.
set -euo pipefail
leave() { echo "Left for a maintainer: $*"; exit 0; }

[ -n "$PULL_REQUEST" ] || leave "ci ran for no open pull request."
facts=$(gh api "repos/$GH_REPO/pulls/$PULL_REQUEST" --jq '[.user.login, .author_association, .state, (.draft | tostring),
  (.head.repo.full_name // "gone"), .head.sha, .base.ref] | join(" ")')
read -r author association state draft repository head base <<<"$facts"

[ "$state" = open ] || leave "it is $state."
[ "$draft" = false ] || leave "it is a draft."
[ "$base" = main ] || leave "it goes to $base."
[ "$repository" = "$GH_REPO" ] || leave "it comes from $repository."
[ "$head" = "$HEAD_SHA" ] || leave "it has changed since ci ran."
case "$author/$association" in
  'dependabot[bot]'/*)
    held=$(gh api --paginate "repos/$GH_REPO/pulls/$PULL_REQUEST/files" --jq '.[].filename' |
      grep -E '^(\.github|\.ci|docker)/' || true)
    [ -z "$held" ] || leave "it changes what builds and deploys: $held"
    ;;
  */OWNER | */MEMBER | */COLLABORATOR) ;;
  *) leave "$author is $association here." ;;
esac
gh pr merge "$PULL_REQUEST" --squash --delete-branch --match-head-commit "$HEAD_SHA"
# What this token merges starts no workflow by itself.
gh workflow run ci.yml --ref main
echo "Merged."
