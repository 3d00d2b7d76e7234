package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

func TestAFilterThatLooksAtTooMuchIsRefusedWithTheFieldThatCosts(t *testing.T) {
	for field, filter := range map[string]string{
		"words without a field": terms(" OR ", 84, "bbbbba%d"),
		"output_folder":         terms(" OR ", 40, `output_folder:x%d`),
		"labels.a":              terms(" AND ", 40, "labels.a:b%d"),
		"labels":                terms(" ", 40, "labels:a%d"),
		"reason":                terms(" OR ", 40, "reason=NONE"),
	} {
		_, err := parseFilter(strings.ReplaceAll(filter, "NONE", "EXIT_NONZERO"), (*store.Entry).Reason)
		var invalid *job.InvalidError
		if !errors.As(err, &invalid) || invalid.Violations[0].Field != "filter" ||
			!strings.Contains(err.Error(), "too expensive") || !strings.Contains(err.Error(), "for "+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestAFilterThatPeopleWriteIsNotTooExpensive(t *testing.T) {
	for _, filter := range []string{
		terms(" ", 17, "word%d"), terms(" OR ", 60, "id = %d"), terms(" OR ", 30, `output_name:a%d`), terms(" AND ", 16, "labels.a%d = x"),
	} {
		c, err := parseFilter(filter, (*store.Entry).Reason)
		if err != nil || c.cost == 0 || c.cost > maxFilterCost {
			t.Errorf("%s: cost %d, %v", filter, c.cost, err)
		}
	}
}

func terms(join string, n int, form string) string {
	var list []string
	for i := range n {
		list = append(list, strings.Split(fmt.Sprintf(form, i), "%!")[0])
	}
	return strings.Join(list, join)
}

func TestEachTextFieldHasACost(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(textCosts)), slices.Sorted(maps.Keys(textFields)); !slices.Equal(got, want) {
		t.Errorf("%v have a cost, want %v", got, want)
	}
}

func TestFoldingIsAsEqualFold(t *testing.T) {
	for _, pair := range [][2]string{
		{"Phage", "pHAGE"}, {"\u212a", "k"}, {"K", "\u212a"}, {"ſ", "S"}, {"Σίσυφος", "σΊΣΥΦΟΣ"}, {"ß", "ẞ"}, {"İ", "i"}, {"a", "b"}, {"Ä", "ä"}, {"\xff", "\xfe"},
	} {
		got := string(appendFolded(nil, pair[0])) == string(appendFolded(nil, pair[1]))
		if want := strings.EqualFold(pair[0], pair[1]); got != want {
			t.Errorf("%q and %q: %v, want %v", pair[0], pair[1], got, want)
		}
	}
}

func TestAUserHasTwoFiltersAtATimeAndOthersHaveTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all turns
		var leaves []func()
		for range filtersAtOnce {
			leave, err := all.enter(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		ctx, hangUp := context.WithCancel(t.Context())
		entered := make(chan error, filtersWaiting)
		for range filtersWaiting {
			go func() {
				leave, err := all.enter(ctx, "ann")
				if err == nil {
					defer leave()
				}
				entered <- err
			}()
		}
		synctest.Wait()
		if _, err := all.enter(t.Context(), "ann"); !errors.Is(err, job.ErrExhausted) || len(entered) > 0 {
			t.Errorf("one more than wait: %v; %d that wait came in", err, len(entered))
		}
		if leave, err := all.enter(t.Context(), "bob"); err != nil {
			t.Errorf("another user: %v", err)
		} else {
			leave()
		}
		leaves[0]()
		synctest.Wait()
		if len(entered) != filtersWaiting {
			t.Errorf("%d of %d came in, one after the other", len(entered), filtersWaiting)
		}
		leave, err := all.enter(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		waits := make(chan error)
		go func() { _, err := all.enter(ctx, "ann"); waits <- err }()
		synctest.Wait()
		hangUp()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("whose caller went away: %v", err)
		}
		leave()
		leaves[1]()
		if len(all.users) != 0 {
			t.Errorf("%d users are remembered", len(all.users))
		}
	})
}

// costliest is about the most expensive filter that is taken, on a job that makes it look at everything.
func BenchmarkCostliestFilter(b *testing.B) {
	s := filterStore(b)
	labels := make(map[string]string)
	for i := range job.MaxLabels {
		labels[fmt.Sprint("k", i)] = strings.Repeat("b", job.MaxLabelValue)
	}
	j := &jobsv1.Job{Service: "Sleep", OutputName: strings.Repeat("b", job.MaxOutputName-10), Labels: labels}
	if _, _, err := s.Submit(b.Context(), []*jobsv1.Job{j}, store.SubmitOptions{Owner: "cat"}); err != nil {
		b.Fatal(err)
	}
	c, err := parseFilter(terms(" OR ", 17, "bbbbba%d"), (*store.Entry).Reason)
	if err != nil {
		b.Fatal(err)
	}
	q := store.Query{Scope: store.Scope{Owner: "cat"}, Match: c.match, MatchCost: c.cost, Limit: 1}
	for b.Loop() {
		if _, err := s.Page(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
}
