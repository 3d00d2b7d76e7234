package page

import (
	"slices"
	"strings"
	"testing"

	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
)

func ids(services []*catalogv1.Service) (all []string) {
	for _, s := range services {
		all = append(all, s.GetId())
	}
	return all
}

// Pages have everything once, in order, each within its bounds, also where what a cursor points to is gone.
func TestCutHasEverythingOnce(t *testing.T) {
	var all []*catalogv1.Service
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		s := &catalogv1.Service{Id: id}
		if id == "b" || id == "c" {
			s.Description = strings.Repeat("x", Bound.Bytes)
		}
		all = append(all, s)
	}
	key := (*catalogv1.Service).GetId
	for limit, want := range map[int][]string{1: {"a", "b", "c", "d", "e"}, 2: {"a", "b", "c", "de"}, 1000: {"a", "b", "c", "de"}} {
		var pages []string
		for after := ""; ; {
			part, next := Cut(all, key, after, limit)
			pages = append(pages, strings.Join(ids(part), ""))
			if after = next; next == "" {
				break
			}
		}
		if !slices.Equal(pages, want) {
			t.Errorf("pages of %d: %q, want %q", limit, pages, want)
		}
	}
	if part, _ := Cut(slices.Delete(slices.Clone(all), 1, 2), key, "b", 1); ids(part)[0] != "c" {
		t.Errorf("behind what is gone: %q", ids(part))
	}
	if part, next := Cut(all, key, "e", 1); len(part) != 0 || next != "" {
		t.Errorf("behind the last: %q, %q", ids(part), next)
	}
}
