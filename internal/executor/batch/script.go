package batch

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/stint-jobs/stint/internal/executor"
)

// wrapper is the part of the batch script that is the same for every attempt.
//
//go:embed wrapper.sh
var wrapper string

// script is the batch script of an attempt.
func script(dir string, t token, traits Traits) string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	fmt.Fprintf(&b, "# Stint: job %s, attempt %d\n", t.job, t.attempt)
	fmt.Fprintf(&b, "dir=%s\n", Quote(dir))
	fmt.Fprintf(&b, "engine_id=${%s:-}\nnode=${%s:-}\n", traits.IDVariable, traits.NodeVariable)
	b.WriteString(wrapper)
	return b.String()
}

// gpuVariables are how the cluster tells a program which graphics processors it was
// given. A job that asked for some needs them beside its own environment.
var gpuVariables = []string{"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK", "GPU_DEVICE_ORDINAL"}

// commandFile is what the script reads to learn the command: it sets `program`,
// `report` and, as the positional parameters, env(1) with the whole environment and the command. The
// job's token is left out: what env gets as arguments, others on the node can see.
func commandFile(c executor.Command) string {
	var b strings.Builder
	env, secret := splitToken(c.Env)
	report, _ := variable(env, executor.ReportVariable)
	fmt.Fprintf(&b, "program=%s\nreport=%s\nset -- env -i", Quote(c.Argv[0]), Quote(report))
	for _, v := range env {
		b.WriteString(" \\\n" + Quote(v))
	}
	if c.Resources.GetGpus() > 0 {
		for _, name := range gpuVariables {
			fmt.Fprintf(&b, " \\\n${%s+\"%s=$%s\"}", name, name, name)
		}
	}
	if secret != "" {
		fmt.Fprintf(&b, " \\\n/bin/sh -c %s \"$dir/%s\"", Quote(adopt(env)), tokenName)
	}
	for _, a := range c.Argv {
		b.WriteString(" \\\n" + Quote(a))
	}
	b.WriteString("\n")
	return b.String()
}

// adopt is a script that takes the token from the file $0 into its environment
// and becomes the command. What shells put into the environment by themselves it takes out again; bash
// leaves SHLVL=0 all the same.
func adopt(env []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `read -r %[1]s <"$0"; export %[1]s; `, executor.TokenVariable)
	for _, name := range []string{"PWD", "OLDPWD", "SHLVL"} {
		if _, set := variable(env, name); !set {
			b.WriteString("unset " + name + "; ")
		}
	}
	b.WriteString(`exec "$@"`)
	return b.String()
}

// splitToken takes the job's token out of the environment of its command.
func splitToken(env []string) (rest []string, secret string) {
	for _, v := range env {
		if text, ok := strings.CutPrefix(v, executor.TokenVariable+"="); ok {
			secret = text
		} else {
			rest = append(rest, v)
		}
	}
	return rest, secret
}

// variable is the value of a variable.
func variable(env []string, name string) (string, bool) {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}
