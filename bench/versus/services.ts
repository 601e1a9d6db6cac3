/** Broker, MySQL and Redis that both systems use: those of the environment, or the benchmark's own. */
import {
  OwnServices,
  SERVICE_VARIABLES,
  type Services,
  servicesFromEnvironment,
} from "../../tests/support/services.ts";
import { say } from "../support/options.ts";
import { cpuSecondsOf } from "../system/child.ts";

export interface SharedServices extends Services {
  /** Started by the benchmark, for nobody else. */
  readonly isOwn: boolean;
  /** CPU seconds until now by name; empty for services that were there before. */
  cpuSeconds(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

export const startServices = async (): Promise<SharedServices> => {
  if (SERVICE_VARIABLES.every((name) => process.env[name] !== undefined)) {
    say(`${SERVICE_VARIABLES.join(", ")} are set: these services are used`);
    const services = servicesFromEnvironment();
    return { ...services, isOwn: false, cpuSeconds: () => ({}), stop: async () => {} };
  }
  say("starting a broker, a MySQL and a Redis");
  const own = await OwnServices.start({ kafka: 1, mysql: true, redis: true });
  const stopNow = (): void => own.stopNow();
  process.on("exit", stopNow);
  const { kafkaBrokers, mysqlUrl, redisUrl } = own;
  const processes = (await own.status()).flatMap((line) => {
    const [, name, pid] = /^([a-z]+)1? \w+ pid (\d+)/.exec(line) ?? [];
    return name === undefined ? [] : [[name, Number(pid)] as const];
  });
  return {
    isOwn: true,
    kafkaBrokers,
    mysqlUrl,
    redisUrl,
    cpuSeconds: () => Object.fromEntries(processes.map(([name, pid]) => [name, cpuSecondsOf(pid)])),
    stop: async () => {
      process.off("exit", stopNow);
      await own.stop();
    },
  };
};

/** The same server, another database. */
export const databaseUrl = ({ mysqlUrl }: Services, name: string): string => {
  const url = new URL(mysqlUrl);
  url.pathname = `/${name}`;
  return url.href;
};
