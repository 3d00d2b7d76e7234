package catalog

import (
	"strconv"
	"strings"
)

// didYouMean is "; did you mean X?" for the known name nearest to what was
// given, and empty when none is near.
func didYouMean(given string, known []string) string {
	if best := nearest(given, known); best != "" {
		return "; did you mean " + quote(best) + "?"
	}
	return ""
}

// nearest returns the known name that is most like a given one, or "".
func nearest(given string, known []string) string {
	const longest = 64 // a name; comparing more would only cost
	if len(given) > longest {
		return ""
	}
	best, least := "", min(len(given)/3, 3)
	for _, k := range known {
		if d := distance(strings.ToLower(given), strings.ToLower(k)); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// quote shows what a user sent inside a message: escaped and cut.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
