import com.google.protobuf.Any;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.Durations;
import com.google.rpc.RetryInfo;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import wildwarden.v1.CategoryRating;
import wildwarden.v1.ClassifyRequest;
import wildwarden.v1.ClassifyResponse;
import wildwarden.v1.Image;
import wildwarden.v1.Level;
import wildwarden.v1.Reason;
import wildwarden.v1.RiskServiceGrpc;
import wildwarden.v1.RiskServiceGrpc.RiskServiceBlockingStub;

/** Rates one listing: Rate [--title TEXT] [--description TEXT] [PHOTO ...] */
public final class Rate {
    /** A second try included. */
    private static final long DEADLINE_SECONDS = 5;

    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> environment = System.getenv();
        ManagedChannel channel =
                ManagedChannelBuilder.forTarget(environment.getOrDefault("WILDWARDEN_ADDRESS", "127.0.0.1:50051"))
                        .usePlaintext()
                        .build();
        int exit = 1;
        try {
            RiskServiceBlockingStub stub = withKey(RiskServiceGrpc.newBlockingStub(channel), environment.get("WILDWARDEN_KEY"));
            show(rate(stub, listing(arguments)));
            exit = 0;
        } catch (IOException error) {
            System.err.println("rate: " + error);
        } catch (IllegalArgumentException error) {
            System.err.println("rate: " + error.getMessage());
            exit = 2;
        } catch (StatusRuntimeException error) {
            // The message has the code. Where the server was not reached, the cause says why.
            System.err.println("rate: " + error.getMessage() + (error.getCause() == null ? "" : ": " + error.getCause().getMessage()));
        } finally {
            channel.shutdownNow();
        }
        System.exit(exit);
    }

    /** The listing that the command line names. */
    private static ClassifyRequest listing(String[] arguments) throws IOException {
        ClassifyRequest.Builder listing = ClassifyRequest.newBuilder();
        for (int at = 0; at < arguments.length; at++) {
            String argument = arguments[at];
            if (!argument.startsWith("--")) {
                Path photo = Path.of(argument);
                listing.addImages(
                        Image.newBuilder()
                                .setImageId(photo.getFileName().toString())
                                .setContent(ByteString.copyFrom(Files.readAllBytes(photo))));
            } else if (argument.equals("--title") && at + 1 < arguments.length) {
                listing.setTitle(arguments[++at]);
            } else if (argument.equals("--description") && at + 1 < arguments.length) {
                listing.setDescription(arguments[++at]);
            } else {
                throw new IllegalArgumentException("usage: Rate [--title TEXT] [--description TEXT] [PHOTO ...]");
            }
        }
        return listing.build();
    }

    private static RiskServiceBlockingStub withKey(RiskServiceBlockingStub stub, String key) {
        if (key == null || key.isEmpty()) {
            return stub;
        }
        Metadata headers = new Metadata();
        headers.put(AUTHORIZATION, "Bearer " + key);
        return stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
    }

    private static ClassifyResponse rate(RiskServiceBlockingStub stub, ClassifyRequest listing) throws InterruptedException {
        Deadline deadline = Deadline.after(DEADLINE_SECONDS, TimeUnit.SECONDS);
        try {
            return stub.withDeadline(deadline).classify(listing);
        } catch (StatusRuntimeException refusal) {
            OptionalLong delay = retryMillis(refusal);
            // A second answer that could only come too late is not waited for: the refusal says more than a passed deadline.
            if (delay.isEmpty() || delay.getAsLong() >= deadline.timeRemaining(TimeUnit.MILLISECONDS)) {
                throw refusal;
            }
            Thread.sleep(delay.getAsLong());
        }
        return stub.withDeadline(deadline).classify(listing);
    }

    /** After how long the server has room, where it says so. */
    private static OptionalLong retryMillis(StatusRuntimeException refusal) {
        Status.Code code = refusal.getStatus().getCode();
        if (code == Status.Code.RESOURCE_EXHAUSTED || code == Status.Code.UNAVAILABLE) {
            for (Any detail : StatusProto.fromThrowable(refusal).getDetailsList()) {
                if (detail.is(RetryInfo.class)) {
                    try {
                        return OptionalLong.of(Durations.toMillis(detail.unpack(RetryInfo.class).getRetryDelay()));
                    } catch (InvalidProtocolBufferException error) {
                        // Not a delay that anybody can read: as if there were none.
                        return OptionalLong.empty();
                    }
                }
            }
        }
        return OptionalLong.empty();
    }

    private static void show(ClassifyResponse rating) {
        // Terms and words of the listing are printed, whatever the platform's own character set is.
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        out.printf(Locale.ROOT, "suggestion: %s%n", name(rating.getSuggestion(), "SUGGESTION_"));
        out.printf(Locale.ROOT, "risk: %.4f (%s)%n", rating.getRisk(), name(rating.getLevel(), "LEVEL_"));
        for (CategoryRating category : rating.getCategoriesList()) {
            String score = category.getUnrated()
                    ? "unrated"
                    : String.format(Locale.ROOT, "%.4f (%s)", category.getProbability(), name(category.getLevel(), "LEVEL_"));
            out.printf(Locale.ROOT, "category: %s %s%n", category.getCategory(), score);
        }
        for (Reason reason : rating.getReasonsList()) {
            String about = reason.getCategory().isEmpty() ? "listing" : reason.getCategory();
            String arguments = reason.getArgumentsMap().entrySet().stream()
                    .map(argument -> argument.getKey() + "=" + argument.getValue())
                    .sorted()
                    .collect(Collectors.joining(", "));
            out.printf(Locale.ROOT, "reason: %s %s (%s)%n", name(reason.getCode(), "REASON_CODE_"), about, arguments);
        }
        if (rating.getDegraded()) {
            out.println("degraded, without: " + String.join(", ", rating.getMissingList()));
        }
    }

    private static String name(Enum<?> value, String prefix) {
        return value.name().startsWith(prefix) ? value.name().substring(prefix.length()) : value.name();
    }
}
