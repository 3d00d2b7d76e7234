package server

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/auth"
	"github.com/stint-jobs/stint/internal/job"
)

// reportNever is the JobReportURL by which commands do not tell of themselves.
const reportNever = "none"

// How long the token of an attempt works at most. It stops with the attempt; this is for
// the case that nobody notices that. What may wait on a cluster for long gets its time limit on top.
const (
	jobTokenWait    = 7 * 24 * time.Hour
	jobTokenNoLimit = 30 * 24 * time.Hour
)

// checkReportURL refuses what no command could use. It is handed to shells and put before a path.
func checkReportURL(text string) error {
	if text == "" || text == reportNever {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`$\\", r) }) {
		return errors.New("must be http://HOST:PORT or https://HOST:PORT, with a path where a proxy adds one, or none")
	}
	return nil
}

// jobReport is the URL at which the command of an attempt may tell of itself, with its token; empty where it cannot.
func (s *server) jobReport(j *jobsv1.Job, attempt int) (reportURL, token string) {
	base := s.reportBase(s.cfg.remote(j.GetExecutor()))
	id, err := job.ParseID(j.GetId())
	if base == "" || err != nil {
		return "", ""
	}
	lifetime := jobTokenNoLimit
	if limit := job.Given(j).GetTimeLimit(); limit != nil {
		lifetime = jobTokenWait + limit.AsDuration()
	}
	return base + "/v1/jobs/" + id.String() + ":report", s.jobTokens.Issue(auth.JobClaim{
		Job: id, Attempt: attempt, Owner: j.GetOwner(), Expires: time.Now().Add(lifetime),
	})
}

// logReports says whether the nodes of clusters are told where this server is: what is not, is seen later.
func (s *server) logReports() {
	if len(s.clusters) == 0 {
		return
	}
	if base := s.reportBase(true); base != "" {
		s.log.Info("nodes tell when jobs begin and end", "url", base)
	} else {
		s.log.Info("nodes do not tell when jobs begin and end, which is seen some seconds later; see --job-report-url")
	}
}

// reportBase is where commands reach the server, from this machine or from the nodes of a cluster. A token must
// never go to whatever listens on a node's own loopback, so that nodes get no address of that kind unless it is configured.
func (s *server) reportBase(remote bool) string {
	switch {
	case s.cfg.JobReportURL == reportNever || s.address == nil:
		return ""
	case s.cfg.JobReportURL != "":
		return strings.TrimRight(s.cfg.JobReportURL, "/")
	}
	host, _, err := net.SplitHostPort(s.cfg.Listen)
	_, port, portErr := net.SplitHostPort(s.address.String())
	if err != nil || portErr != nil {
		return ""
	}
	ip, err := netip.ParseAddr(host)
	anywhere := host == "" || err == nil && ip.IsUnspecified()
	switch {
	case anywhere && !remote:
		host = "127.0.0.1"
	case anywhere:
		if host, err = os.Hostname(); err != nil {
			return ""
		}
	case remote && (host == "localhost" || err == nil && ip.IsLoopback()):
		return ""
	}
	return s.cfg.TLS.scheme() + "://" + net.JoinHostPort(host, port)
}
