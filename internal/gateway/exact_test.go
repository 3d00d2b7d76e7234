package gateway

import (
	"strings"
	"testing"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// A whole number among parameters is kept exactly or refused by its place, however deep it is.
func TestWholeNumbersOfParametersAreExact(t *testing.T) {
	for body, place := range map[string]string{
		`{"job":{"parameters":{"n":9007199254740993}}}`:                            "job.parameters.n",
		`{"job":{"parameters":{"n":-9007199254740992}}}`:                           "job.parameters.n",
		`{"job":{"parameters":{"l":[1,{"x":123456789012345678901234}]}}}`:          "job.parameters.l[1].x",
		`{"job":{"parameters":{"a":"9007199254740993","b":18446744073709551615}}}`: "job.parameters.b",
		`{"job":{"parameters":{"n":9007199254740991}}}`:                            "",
		`{"job":{"parameters":{"n":"9007199254740993"}}}`:                          "",
		`{"job":{"parameters":{"n":0.12345678901234567}}}`:                         "",
		`{"job":{"parameters":{"n":1234567890123456e5}}}`:                          "",
		`{"job":{"resources":{"memoryBytes":9007199254740993}}}`:                   "", // protobuf's reader knows
		"\ufeff" + `{"job":{"service":"Date"}}`:                                    "", // a byte order mark
		"\ufeff" + `{"job":{"parameters":{"n":9007199254740993}}}`:                 "job.parameters.n",
	} {
		msg := &jobsv1.SubmitRequest{}
		p := decodeJSON([]byte(body), msg)
		if (p != nil) != (place != "") {
			t.Errorf("%s: %v", body, p)
			continue
		}
		if p != nil {
			if _, fields := explain(p.status); len(fields) != 1 || fields[0] != place {
				t.Errorf("%s: refused at %q, want %s", body, fields, place)
			}
		}
		if n := msg.GetJob().GetResources().GetMemoryBytes(); strings.Contains(body, "memory") && n != 9007199254740993 {
			t.Errorf("%s became %d", body, n)
		}
	}
	batch := &jobsv1.BatchSubmitRequest{}
	if p := decodeJSON([]byte(`{"jobs":[{},{"parameters":{"n":9007199254740993}}]}`), batch); p == nil {
		t.Error("a batch takes what one job does not")
	}
	rerun := &jobsv1.RerunRequest{}
	if p := decodeJSON([]byte(`{"parameters":{"n":9007199254740993}}`), rerun); p == nil {
		t.Error("a rerun takes what a job does not")
	}
}
