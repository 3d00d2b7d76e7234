package main

import (
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// readMethods gives the methods of a descriptor set by the ids of their operations, SERVICE_METHOD.
func readMethods(name string) (map[string]protoreflect.MethodDescriptor, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(text, set); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return listMethods(set)
}

func listMethods(set *descriptorpb.FileDescriptorSet) (map[string]protoreflect.MethodDescriptor, error) {
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	methods := map[string]protoreflect.MethodDescriptor{}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for k := range service.Methods().Len() {
				m := service.Methods().Get(k)
				methods[fmt.Sprintf("%s_%s", service.Name(), m.Name())] = m
			}
		}
		return true
	})
	return methods, nil
}

// listValues is a list of the values of an enum with their comments, in Markdown. It says nothing of an enum without comments,
// as third-party ones are.
func listValues(enum protoreflect.EnumDescriptor) string {
	var list strings.Builder
	for i := range enum.Values().Len() {
		value := enum.Values().Get(i)
		comment := value.ParentFile().SourceLocations().ByDescriptor(value).LeadingComments
		if words := strings.Join(strings.Fields(comment), " "); words != "" {
			fmt.Fprintf(&list, "- `%s`: %s\n", value.Name(), words)
		}
	}
	return strings.TrimSuffix(list.String(), "\n")
}
