package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// words is a filter of n words, which have to be looked for everywhere in jobs that have long texts of "b".
func words(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("bbbbba%d", i))
	}
	return strings.Join(list, " OR ")
}

func TestAnExpensiveFilterIsRefusedAndOthersWorkBesideTheCostliestOne(t *testing.T) {
	h := newHostile(t, "--cpus", "1")
	labels := make(map[string]string)
	for i := range 16 {
		labels[fmt.Sprint("k", i)] = strings.Repeat("b", 128)
	}
	req := &jobsv1.BatchSubmitRequest{}
	for range 1000 {
		j := appendJob(0)
		j.OutputName, j.Labels = strings.Repeat("b", 190), labels
		req.Jobs = append(req.Jobs, j)
	}
	h.release()
	for range 3 {
		if _, err := h.jobs().BatchSubmit(h.as("ann"), req); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{Filter: words(84)})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "too expensive") || !strings.Contains(err.Error(), "words without a field") {
		t.Errorf("84 words: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := h.jobs().List(h.as("ann"), &jobsv1.ListRequest{PageSize: 1, Filter: words(17)})
		done <- err
	}()
	submits := 0
	for len(done) == 0 {
		h.submit("bob", appendJob(0))
		submits++
	}
	if err := <-done; err != nil || submits < 5 {
		t.Errorf("bob submitted %d jobs while ann's filter was evaluated; %v", submits, err)
	}
	var ids []string
	for {
		page, err := h.jobs().List(h.as("op"), &jobsv1.ListRequest{Owner: "*", Filter: "state = QUEUED", PageSize: 1000})
		if err != nil || len(page.GetJobs()) == 0 {
			break
		}
		ids = ids[:0]
		for _, j := range page.GetJobs() {
			ids = append(ids, j.GetId())
		}
		if _, err := h.jobs().BatchCancel(h.as("op"), &jobsv1.BatchCancelRequest{Ids: ids, Reason: "the test is over"}); err != nil {
			t.Fatal(err)
		}
	}
	waitUntilFinal(h.as("op"), h.server)
}
