package jobs

import (
	"errors"
	"testing"

	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store"
)

func TestOrder(t *testing.T) {
	got, err := parseOrder(" state desc , output_name asc,id")
	want := []store.Order{{Field: store.ByState, Desc: true}, {Field: store.ByOutputName}, {Field: store.ByID}}
	if err != nil || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("parseOrder() = %v, %v", got, err)
	}
	for _, bad := range []string{",", "state state", "owner", "state down", "state desc desc", "id,", string(make([]byte, 300))} {
		var invalid *job.InvalidError
		if _, err := parseOrder(bad); !errors.As(err, &invalid) || invalid.Violations[0].Field != "orderBy" {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}
